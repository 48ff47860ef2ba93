//! What is offered, answered, taken back and offered again.

use crate::support::{Call, Options, payload, section};
use beluga_webrtc::{Mid, OfferRequest, PeerCommand, PeerEvent, PeerFault};

fn failure(call: &Call, id: u32) -> bool {
    call.has(
        |event| matches!(event, PeerEvent::NegotiationFailed { id: failed, .. } if *failed == id),
    )
}

/// The lines of one section.
fn lines<'a>(sdp: &'a str, mid: &Mid) -> &'a str {
    let name = format!("a=mid:{}\r\n", mid.0);
    sdp.split("\r\nm=")
        .find(|lines| lines.contains(&name))
        .expect("the section is there")
}

#[test]
fn the_first_offer_holds_opus_the_level_the_channels_and_the_track() {
    let mut call = Call::new(Options::default());
    let made = call.offer(OfferRequest {
        send: vec![section("TR_cid")],
        ..OfferRequest::default()
    });
    let sdp = &made.sdp;
    let count = |what: &str| sdp.matches(what).count();
    assert_eq!(count("m=audio"), 1, "{sdp}");
    assert_eq!(count("m=application"), 1, "{sdp}");
    assert_eq!(count("a=rtpmap:"), 1, "{sdp}");
    assert_eq!(count("a=rtpmap:111 opus/48000/2"), 1, "{sdp}");
    assert_eq!(count("a=fmtp:111 minptime=10;useinbandfec=1"), 1, "{sdp}");
    assert_eq!(count("a=rtcp-fb:"), 1, "{sdp}");
    assert_eq!(count("a=rtcp-fb:111 nack\r\n"), 1, "{sdp}");
    assert_eq!(count("a=extmap:"), 2, "{sdp}");
    assert_eq!(count("urn:ietf:params:rtp-hdrext:ssrc-audio-level"), 1);
    assert_eq!(count("urn:ietf:params:rtp-hdrext:sdes:mid"), 1);
    assert_eq!(count("a=setup:actpass"), 2, "{sdp}");
    assert_eq!(count("a=sendonly"), 1, "{sdp}");
    assert_eq!(count("a=msid:stream TR_cid"), 1, "{sdp}");
    assert!(sdp.contains("10.0.0.1 5000 typ host"), "{sdp}");
    assert!(made.receive.is_empty());
}

#[test]
fn sections_are_added_stopped_and_the_rest_goes_on() {
    let (mut call, send, receive) = Call::connected(Options::default());
    let more = call.negotiate(OfferRequest {
        send: vec![section("second")],
        receive: 2,
        ..OfferRequest::default()
    });
    assert_eq!((more.send.len(), more.receive.len()), (1, 2));
    assert!(lines(&more.sdp, &more.send[0]).contains("a=msid:stream second"));
    let stopped = call.negotiate(OfferRequest {
        stop: vec![send.clone(), more.receive[0].clone()],
        ..OfferRequest::default()
    });
    for (mid, direction) in [
        (&send, "a=inactive"),
        (&receive, "a=recvonly"),
        (&more.send[0], "a=sendonly"),
        (&more.receive[0], "a=inactive"),
        (&more.receive[1], "a=recvonly"),
    ] {
        let lines = lines(&stopped.sdp, mid);
        assert!(lines.contains(direction), "{direction}: {lines}");
    }
    let mut microphone = call.microphone(1, &more.send[0]);
    for _ in 0..20 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(20);
    assert_eq!(call.far.packets.len(), 10);
}

#[test]
fn a_section_that_was_stopped_is_none_to_be_named() {
    let (mut call, send, _) = Call::connected(Options::default());
    let stop = OfferRequest {
        stop: vec![send.clone()],
        ..OfferRequest::default()
    };
    call.negotiate(stop.clone());
    call.command(PeerCommand::Offer(OfferRequest { id: 77, ..stop }));
    call.run_ms(20);
    assert!(failure(&call, 77));
    // Its packets are taken and go nowhere.
    let mut microphone = call.microphone(1, &send);
    for _ in 0..20 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    assert!(call.far.packets.is_empty());
}

#[test]
fn an_offer_is_made_again_though_nothing_changes() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let mut speaker = call.loudspeaker(1, &receive);
    let mut said = 0;
    for _ in 0..3 {
        let made = call.negotiate(OfferRequest::default());
        assert!(lines(&made.sdp, &receive).contains("a=recvonly"));
        assert!(made.send.is_empty() && made.receive.is_empty());
        for _ in 0..10 {
            let now = call.instant(call.now_us);
            let timestamp = said as u32 * 960;
            call.far.say(now, &receive.0, timestamp, &payload(said));
            said += 1;
            call.run_ms(20);
            speaker.tick(call.now_us);
            speaker.tick(call.now_us);
        }
    }
    assert!(speaker.heard().len() >= 25, "{}", speaker.heard().len());
}

#[test]
fn an_offer_is_made_again_though_there_is_no_media_at_all() {
    let mut call = Call::new(Options::default());
    let first = call.negotiate(OfferRequest::default());
    call.run_until("settled", |call| {
        beluga_engine::Peer::is_settled(&call.peer)
    });
    let again = call.offer(OfferRequest::default());
    assert_eq!(again.sdp, first.sdp);
    call.answer(&again);
    let added = call.negotiate(OfferRequest {
        receive: 1,
        ..OfferRequest::default()
    });
    assert_eq!(added.receive.len(), 1);
}

#[test]
fn with_nothing_at_all_there_is_no_offer() {
    let mut call = Call::new(Options {
        channels: Vec::new(),
        ..Options::default()
    });
    call.command(PeerCommand::Offer(OfferRequest::default()));
    call.run_ms(20);
    assert!(failure(&call, 0));
}

#[test]
fn what_the_other_side_turned_off_is_offered_again() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let made = call.offer(OfferRequest::default());
    let now = call.instant(call.now_us);
    let answer = call.far.answer(now, &made.sdp);
    let before = lines(&answer, &receive).to_owned();
    assert!(before.contains("a=sendonly"));
    let after = before.replace("a=sendonly", "a=inactive");
    call.command(PeerCommand::Answer {
        id: made.id,
        sdp: answer.replace(&before, &after),
    });
    call.run_ms(20);
    let again = call.negotiate(OfferRequest::default());
    assert!(lines(&again.sdp, &receive).contains("a=recvonly"));
}

#[test]
fn one_offer_is_outstanding_at_a_time() {
    let (mut call, _, _) = Call::connected(Options::default());
    let made = call.offer(OfferRequest {
        receive: 1,
        ..OfferRequest::default()
    });
    call.command(PeerCommand::Offer(OfferRequest {
        id: 77,
        receive: 1,
        ..OfferRequest::default()
    }));
    call.run_ms(20);
    assert!(failure(&call, 77));
    call.answer(&made);
}

#[test]
fn an_offer_that_is_given_up_leaves_nothing_behind() {
    let (mut call, send, receive) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    let made = call.offer(OfferRequest {
        send: vec![section("never")],
        receive: 3,
        stop: vec![send.clone(), receive.clone()],
        ice_restart: true,
        ..OfferRequest::default()
    });
    call.command(PeerCommand::GiveUpOffer { id: made.id });
    let next = call.negotiate(OfferRequest {
        receive: 1,
        ..OfferRequest::default()
    });
    assert_eq!(next.sdp.matches("m=audio").count(), 3, "{}", next.sdp);
    assert!(!next.sdp.contains("never"));
    assert!(lines(&next.sdp, &send).contains("a=sendonly"));
    assert!(lines(&next.sdp, &receive).contains("a=recvonly"));
    for _ in 0..20 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(20);
    assert_eq!(call.far.packets.len(), 10);
}

#[test]
fn the_first_offer_can_be_given_up_too() {
    let mut call = Call::new(Options::default());
    let made = call.offer(OfferRequest {
        send: vec![section("never")],
        ..OfferRequest::default()
    });
    call.command(PeerCommand::GiveUpOffer { id: made.id });
    let next = call.negotiate(OfferRequest {
        send: vec![section("agent")],
        ..OfferRequest::default()
    });
    assert_eq!(next.sdp.matches("m=audio").count(), 1);
    call.run_until("settled", |call| {
        beluga_engine::Peer::is_settled(&call.peer)
    });
    assert_eq!(call.far.channels.len(), 2);
}

#[test]
fn an_answer_that_cannot_be_read_changes_nothing() {
    let (mut call, send, receive) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    for sdp in ["", "nonsense", "v=0\r\nm=audio 9 RTP 0\r\n"] {
        let made = call.offer(OfferRequest {
            receive: 1,
            stop: vec![receive.clone()],
            ..OfferRequest::default()
        });
        call.command(PeerCommand::Answer {
            id: made.id,
            sdp: sdp.into(),
        });
        call.run_ms(20);
        assert!(failure(&call, made.id), "{sdp}");
    }
    let next = call.negotiate(OfferRequest::default());
    assert_eq!(next.sdp.matches("m=audio").count(), 2, "{}", next.sdp);
    for _ in 0..20 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(20);
    assert_eq!(call.far.packets.len(), 10);
}

#[test]
fn a_first_answer_without_a_fingerprint_ends_it() {
    let mut call = Call::new(Options::default());
    let made = call.offer(OfferRequest {
        receive: 1,
        ..OfferRequest::default()
    });
    let now = call.instant(call.now_us);
    let answer = call.far.answer(now, &made.sdp);
    let sdp: String = answer
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("a=fingerprint"))
        .collect();
    call.command(PeerCommand::Answer { id: made.id, sdp });
    call.run_ms(20);
    assert!(beluga_engine::Peer::is_over(&call.peer));
    assert!(failure(&call, made.id));
    assert!(matches!(
        call.events.last(),
        Some(PeerEvent::Closed(Some(PeerFault::Negotiation(_))))
    ));
}

#[test]
fn an_answer_to_no_offer_is_refused() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.command(PeerCommand::Answer {
        id: 77,
        sdp: String::new(),
    });
    call.run_ms(20);
    assert!(failure(&call, 77));
}

#[test]
fn candidates_that_come_before_the_answer_are_kept_for_it() {
    let mut call = Call::new(Options::default());
    let made = call.offer(OfferRequest {
        send: vec![section("agent")],
        ..OfferRequest::default()
    });
    let now = call.instant(call.now_us);
    let answer = call.far.answer(now, &made.sdp);
    // As trickled alone: the answer itself names none.
    let bare: String = answer
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("a=candidate"))
        .collect();
    let candidate = call.far.candidate.to_sdp_string();
    call.command(PeerCommand::RemoteCandidate(candidate));
    call.run_ms(20);
    call.command(PeerCommand::Answer {
        id: made.id,
        sdp: bare,
    });
    call.run_until("settled", |call| {
        beluga_engine::Peer::is_settled(&call.peer)
    });
}

#[test]
fn candidates_that_cannot_be_read_or_are_too_many_are_counted() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.command(PeerCommand::RemoteCandidate("a=candidate:rubbish".into()));
    for port in 0..100 {
        let line = format!(
            "candidate:1 1 udp 2113929471 10.0.0.9 {} typ host",
            10_000 + port
        );
        call.command(PeerCommand::RemoteCandidate(line));
    }
    call.run_ms(20);
    let active = "candidate:1 1 tcp 1671430143 10.0.0.9 9 typ host tcptype active";
    call.command(PeerCommand::RemoteCandidate(active.into()));
    call.run_ms(20);
    // 64 may be known, two came with the answer.
    assert_eq!(call.stats().candidates_ignored, 1 + 38 + 1);
}
