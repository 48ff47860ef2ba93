//! From nothing to a connection, and to its end.

use crate::support::{Call, Options, section};
use beluga_engine::{Carrier, Peer};
use beluga_webrtc::{Channel, OfferRequest, PeerCommand, PeerEvent};

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
    let (call, _, _) = Call::connected(Options {
        carrier: Carrier::Tcp,
        ..Options::default()
    });
    assert!(call.far.rtc.is_connected());
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
    assert_eq!(count("a=extmap:"), 2, "{sdp}");
    assert_eq!(count("urn:ietf:params:rtp-hdrext:ssrc-audio-level"), 1);
    assert_eq!(count("urn:ietf:params:rtp-hdrext:sdes:mid"), 1);
    assert_eq!(count("transport-cc"), 0, "{sdp}");
    assert_eq!(count("a=setup:actpass"), 2, "{sdp}");
    assert_eq!(count("a=sendonly"), 1, "{sdp}");
    assert_eq!(count("a=msid:stream TR_cid"), 1, "{sdp}");
    assert!(sdp.contains("10.0.0.1 5000 typ host"), "{sdp}");
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
