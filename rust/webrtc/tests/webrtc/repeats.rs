//! Packets that a network lost are asked for again, both ways.

use crate::support::{Call, Options, payload};
use beluga_sim::{Conditions, GilbertElliott};
use std::collections::HashSet;

fn losing(probability: f64) -> Conditions {
    Conditions {
        delay_us: 5_000,
        loss: GilbertElliott::independent(probability),
        ..Conditions::default()
    }
}

#[test]
fn what_the_other_side_missed_is_sent_again() {
    let (mut call, send, _) = Call::connected(Options {
        up: losing(0.1),
        ..Options::default()
    });
    call.far.asks = true;
    let mut microphone = call.microphone(1, &send);
    for _ in 0..1_000 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(500);
    let came: HashSet<u64> = call.far.packets.iter().map(|p| *p.seq_no).collect();
    assert!(came.len() >= 498, "{} of 500 came", came.len());
    for packet in &call.far.packets {
        let mut number = [0; 8];
        number.copy_from_slice(&packet.payload[..8]);
        assert_eq!(*packet.payload, *payload(u64::from_be_bytes(number)));
    }
    let repeated = call.stats().packets_repeated;
    assert!((30..150).contains(&repeated), "{repeated}");
}

#[test]
fn what_we_missed_is_asked_for() {
    let (mut call, _, receive) = Call::connected(Options {
        down: losing(0.1),
        ..Options::default()
    });
    let mut speaker = call.loudspeaker(1, &receive);
    for n in 0..500 {
        let now = call.instant(call.now_us);
        call.far.say(now, &receive.0, n as u32 * 960, &payload(n));
        for _ in 0..2 {
            call.run_ms(10);
            let now = call.instant(call.now_us);
            call.far.repeat(now);
            speaker.tick(call.now_us);
        }
    }
    let taken = speaker.shared.counters.frame_age_in_us.get().0;
    assert!(taken >= 490, "{taken} of 500 came");
}

#[test]
fn nothing_is_asked_for_where_the_answer_did_not_agree() {
    let mut call = Call::new(Options {
        down: losing(0.1),
        ..Options::default()
    });
    let made = call.offer(beluga_webrtc::OfferRequest {
        receive: 1,
        ..beluga_webrtc::OfferRequest::default()
    });
    let now = call.instant(call.now_us);
    let answer = call.far.answer(now, &made.sdp);
    let silent = answer.replace("a=rtcp-fb:111 nack\r\n", "");
    assert_ne!(answer, silent);
    let sdp = silent;
    call.command(beluga_webrtc::PeerCommand::Answer { id: made.id, sdp });
    call.run_until("connected", |call| call.far.rtc.is_connected());
    call.run_ms(100);
    let receive = made.receive[0].clone();
    for n in 0..200 {
        let now = call.instant(call.now_us);
        call.far.say(now, &receive.0, n as u32 * 960, &payload(n));
        call.run_ms(20);
    }
    assert!(call.far.missed.is_empty(), "{:?}", call.far.missed);
}
