//! Whatever comes from the network or the server, a peer does not fall over, and what stood stands.

use crate::support::{Call, Options, payload, section};
use beluga_engine::{Carrier, Datagram, Peer};
use beluga_webrtc::{OfferRequest, PeerCommand, PeerEvent};
use proptest::prelude::*;

/// Bytes that look like each of the protocols on the wire, and bytes that do not.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![Just(0_u8), Just(1), 20..64_u8, 128..192_u8, any::<u8>(),];
    let second = prop_oneof![Just(111_u8), 192..=223_u8, any::<u8>()];
    (first, second, prop::collection::vec(any::<u8>(), 0..400)).prop_map(|(a, b, rest)| {
        let mut bytes = vec![a, b];
        bytes.extend(rest);
        bytes
    })
}

fn throw(call: &mut Call, bytes: &[u8]) {
    let now_us = call.now_us;
    call.peer.receive(
        now_us,
        Datagram {
            carrier: Carrier::Udp,
            local: "10.0.0.1:5000".parse().expect("an address"),
            remote: "10.0.0.2:7881".parse().expect("an address"),
            payload: bytes,
        },
    );
}

fn sound_passes(call: &mut Call, send: &beluga_webrtc::Mid) {
    let mut microphone = call.microphone(9, send);
    let before = call.far.packets.len();
    for _ in 0..20 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    assert!(call.far.packets.len() >= before + 9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn datagrams_of_any_bytes_are_ignored_and_counted(
        datagrams in prop::collection::vec(datagram(), 1..40),
    ) {
        let (mut call, send, _) = Call::connected(Options::default());
        for bytes in &datagrams {
            throw(&mut call, bytes);
            call.run_ms(3);
        }
        call.run_ms(50);
        prop_assert!(!call.peer.is_over());
        sound_passes(&mut call, &send);
    }

    #[test]
    fn datagrams_of_any_bytes_do_not_disturb_the_handshake(
        datagrams in prop::collection::vec(datagram(), 1..20),
    ) {
        let mut call = Call::new(Options::default());
        for bytes in &datagrams {
            throw(&mut call, bytes);
        }
        let made = call.negotiate(OfferRequest {
            send: vec![section("agent")],
            ..OfferRequest::default()
        });
        for bytes in &datagrams {
            throw(&mut call, bytes);
            call.run_ms(5);
        }
        call.run_until("settled", |call| call.peer.is_settled());
        sound_passes(&mut call, &made.send[0]);
    }

    #[test]
    fn real_datagrams_with_wrong_bytes_are_ignored(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..60),
    ) {
        let (mut call, send, receive) = Call::connected(Options::default());
        for (n, (at, bits)) in flips.iter().enumerate() {
            let now = call.instant(call.now_us);
            call.far.say(now, &receive.0, n as u32 * 960, &payload(n as u64));
            call.far.write(now, "_reliable", &payload(n as u64));
            let mut spoiled: Vec<Vec<u8>> =
                call.far.outbox.iter().map(|sent| sent.contents.to_vec()).collect();
            for bytes in &mut spoiled {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
                throw(&mut call, bytes);
            }
            call.run_ms(10);
        }
        call.run_ms(500);
        prop_assert!(!call.peer.is_over());
        let came = call.heard(|event| match event {
            PeerEvent::Message { message, .. } => Some(message.clone()),
            _ => None,
        });
        let all: Vec<_> = (0..flips.len() as u64).map(payload).collect();
        prop_assert!(came == all, "messages arrive as they were sent");
        sound_passes(&mut call, &send);
    }

    #[test]
    fn answers_with_wrong_lines_are_taken_or_refused(
        drop in any::<prop::sample::Index>(),
        double in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        letter in any::<char>(),
    ) {
        let (mut call, _, _) = Call::connected(Options::default());
        let made = call.offer(OfferRequest {
            receive: 1,
            ..OfferRequest::default()
        });
        let now = call.instant(call.now_us);
        let answer = call.far.answer(now, &made.sdp);
        let mut lines: Vec<&str> = answer.split_inclusive("\r\n").collect();
        lines.remove(drop.index(lines.len()));
        lines.push(lines[double.index(lines.len())]);
        let mut sdp = lines.concat();
        let mut at = at.index(sdp.len());
        while !sdp.is_char_boundary(at) {
            at -= 1;
        }
        sdp.insert(at, letter);
        call.command(PeerCommand::Answer { id: made.id, sdp });
        call.run_ms(50);
        let said = call.has(|event| match event {
            PeerEvent::Negotiated { id } | PeerEvent::NegotiationFailed { id, .. } => {
                *id == made.id
            }
            _ => false,
        });
        prop_assert!(said);
    }

    #[test]
    fn candidates_of_any_text_are_ignored(line in ".{0,80}", number in any::<u32>()) {
        let (mut call, send, _) = Call::connected(Options::default());
        call.command(PeerCommand::RemoteCandidate(line.clone()));
        let like = format!("candidate:1 1 udp {number} {line} {number} typ host");
        call.command(PeerCommand::RemoteCandidate(like));
        call.run_ms(20);
        sound_passes(&mut call, &send);
    }
}

#[test]
fn datagrams_of_a_stranger_are_ignored() {
    let (mut call, send, receive) = Call::connected(Options::default());
    let before = call.stats().datagrams_ignored;
    let now = call.instant(call.now_us);
    call.far.say(now, &receive.0, 0, &payload(0));
    let real = call.far.outbox[0].contents.to_vec();
    let now_us = call.now_us;
    call.peer.receive(
        now_us,
        Datagram {
            carrier: Carrier::Udp,
            local: "10.0.0.1:5000".parse().expect("an address"),
            remote: "10.6.6.6:666".parse().expect("an address"),
            payload: &real,
        },
    );
    assert_eq!(call.stats().datagrams_ignored, before + 1);
    sound_passes(&mut call, &send);
}
