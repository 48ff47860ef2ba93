//! From nothing to a connection, and to its end.

use crate::support::{Call, Options, payload, section};
use beluga_engine::{Carrier, Peer, Urgency};
use beluga_webrtc::{Channel, OfferRequest, PeerCommand, PeerEvent, PeerFault};
use std::sync::atomic::Ordering;

#[test]
fn a_peer_connects_opens_its_channels_and_is_settled() {
    let (call, _, _) = Call::connected(Options::default());
    assert!(call.has(|event| matches!(event, PeerEvent::Connected)));
    for channel in [Channel(0), Channel(1)] {
        assert!(
            call.has(|event| matches!(event, PeerEvent::ChannelOpen(open) if *open == channel))
        );
    }
    assert!(call.far.rtc.is_connected());
    assert!(!call.peer.is_over());
}

#[test]
fn a_peer_connects_over_tcp_alone() {
    let (mut call, _, receive) = Call::connected(Options {
        carrier: Carrier::Tcp,
        ..Options::default()
    });
    let mut speaker = call.loudspeaker(1, &receive);
    for n in 0..10 {
        let now = call.instant(call.now_us);
        call.far.say(now, &receive.0, n as u32 * 960, &payload(n));
        call.run_ms(20);
        speaker.tick(call.now_us);
        speaker.tick(call.now_us);
    }
    assert!(speaker.heard().len() > 5);
    call.run_ms(3_000);
    assert!(call.stats().pair.expect("a pair").2, "it is TCP");
}

#[test]
fn without_channels_there_is_no_application_section_and_the_connection_is_enough() {
    let mut call = Call::new(Options {
        channels: Vec::new(),
        ..Options::default()
    });
    let made = call.negotiate(OfferRequest {
        send: vec![section("agent")],
        ..OfferRequest::default()
    });
    assert!(!made.sdp.contains("m=application"));
    call.run_until("settled", |call| call.peer.is_settled());
    assert!(call.has(|event| matches!(event, PeerEvent::Connected)));
}

#[test]
fn channels_that_never_open_are_waited_for_two_seconds() {
    let mut call = Call::new(Options::default());
    call.negotiate(OfferRequest {
        send: vec![section("agent")],
        ..OfferRequest::default()
    });
    // What comes as data is never taken: there is no time for it.
    call.urgency = Urgency::SoundOnly;
    call.run_until("connected", |call| {
        call.has(|event| matches!(event, PeerEvent::Connected))
    });
    call.run_ms(1_900);
    assert!(!call.peer.is_settled());
    call.run_ms(200);
    assert!(call.peer.is_settled());
}

#[test]
fn whoever_listens_is_woken_once_until_he_looks() {
    let mut call = Call::new(Options::default());
    call.listens = false;
    for id in 0..3 {
        call.command(PeerCommand::Offer(OfferRequest {
            id,
            ..OfferRequest::default()
        }));
        call.run_ms(20);
    }
    assert_eq!(call.wakes.0.load(Ordering::Relaxed), 1);
    assert_eq!(call.handle.iter().flat_map(|h| h.events()).count(), 3);
    call.command(PeerCommand::Stats);
    call.run_ms(20);
    assert_eq!(call.wakes.0.load(Ordering::Relaxed), 2);
}

#[test]
fn what_is_said_before_the_connection_stands_is_not_said_late() {
    let mut call = Call::new(Options::default());
    let made = call.offer(OfferRequest {
        send: vec![section("agent")],
        ..OfferRequest::default()
    });
    let mut microphone = call.microphone(1, &made.send[0]);
    for _ in 0..100 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.answer(&made);
    call.run_until("settled", |call| call.peer.is_settled());
    for _ in 0..10 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    assert!(call.far.packets.len() <= 5, "{}", call.far.packets.len());
}

#[test]
fn five_seconds_without_a_network_are_survived_without_a_word() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    call.link_up = false;
    call.run_ms(5_000);
    call.link_up = true;
    let packets = call.far.packets.len();
    for _ in 0..100 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(20);
    assert_eq!(call.far.packets.len(), packets + 50);
    assert!(!call.has(|event| matches!(event, PeerEvent::Disconnected)));
}

#[test]
fn a_network_that_is_gone_is_said_and_new_credentials_bring_it_back() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    call.link_up = false;
    let gone_ms = call.run_until("disconnected", |call| {
        call.has(|event| matches!(event, PeerEvent::Disconnected))
    });
    assert!((10_000..30_000).contains(&gone_ms), "{gone_ms} ms");
    call.link_up = true;
    call.negotiate(OfferRequest {
        ice_restart: true,
        ..OfferRequest::default()
    });
    call.run_until("connected again", |call| {
        matches!(call.events.last(), Some(PeerEvent::Connected))
    });
    let packets = call.far.packets.len();
    for _ in 0..100 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(20);
    assert!(call.far.packets.len() >= packets + 48);
}

#[test]
fn new_credentials_lose_no_sound() {
    let (mut call, send, receive) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    let mut speaker = call.loudspeaker(1, &receive);
    let made = call.offer(OfferRequest {
        ice_restart: true,
        ..OfferRequest::default()
    });
    assert!(made.sdp.contains("10.0.0.1 5000 typ host"), "{}", made.sdp);
    call.answer(&made);
    let mut said = 0;
    for tick in 0..400 {
        microphone.tick(call.now_us);
        if tick % 2 == 0 {
            let now = call.instant(call.now_us);
            let timestamp = said as u32 * 960;
            call.far.say(now, &receive.0, timestamp, &payload(said));
            said += 1;
        }
        call.run_ms(10);
        speaker.tick(call.now_us);
    }
    assert!(call.far.packets.len() >= 197, "{}", call.far.packets.len());
    let heard = speaker.heard();
    assert!(heard.len() >= 190, "{}", heard.len());
    for (n, packet) in heard.iter().enumerate() {
        assert_eq!(*packet, payload(n as u64));
    }
}

#[test]
fn goodbye_reaches_the_other_side_and_is_the_last_that_is_said() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.command(PeerCommand::Close);
    call.run_ms(100);
    assert!(call.peer.is_over());
    assert!(call.far.is_closed);
    assert!(matches!(call.events.last(), Some(PeerEvent::Closed(None))));
}

#[test]
fn the_other_sides_goodbye_ends_it() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.far.rtc.close().expect("it is open");
    call.far.drain();
    call.run_ms(100);
    assert!(call.peer.is_over());
    assert!(matches!(call.events.last(), Some(PeerEvent::Closed(None))));
}

#[test]
fn a_handle_that_is_dropped_closes_the_peer_with_a_goodbye() {
    let (mut call, _, _) = Call::connected(Options::default());
    drop(call.handle.take());
    call.run_ms(100);
    assert!(call.peer.is_over());
    assert!(call.far.is_closed);
}

#[test]
fn a_peer_that_is_put_away_before_its_time_says_so() {
    let call = Call::new(Options::default());
    drop(call.peer);
    let events: Vec<_> = call
        .handle
        .iter()
        .flat_map(|handle| handle.events())
        .collect();
    assert!(
        matches!(events[..], [PeerEvent::Closed(None)]),
        "{events:?}"
    );
}

#[test]
fn a_peer_whose_code_failed_says_so_and_does_nothing_more() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    call.peer.fail();
    assert!(call.peer.is_over());
    let sent = call.sent.len();
    microphone.tick(call.now_us);
    call.run_ms(100);
    assert_eq!(call.sent.len(), sent);
    let closed = PeerFault::Defect;
    assert!(matches!(call.events.last(), Some(PeerEvent::Closed(Some(fault))) if *fault == closed));
}

#[test]
fn what_was_measured_is_told() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    for _ in 0..500 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    let stats = call.stats();
    assert_eq!(stats.packets_sent, 250);
    assert!(stats.bytes_sent > 250 * 40, "{stats:?}");
    assert!(stats.bytes_received > 0, "{stats:?}");
    // There and back, and until the next tick.
    let trip_ms = stats.round_trip_ms.expect("checks were answered");
    assert!((10.0..=25.0).contains(&trip_ms), "{stats:?}");
    let pair = stats.pair.expect("one was selected");
    assert_eq!(pair.1, "10.0.0.2:7881".parse().expect("an address"));
    assert!(!pair.2);
}
