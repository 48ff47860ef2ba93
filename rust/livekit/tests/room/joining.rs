//! Into a room.

use crate::support::peers::Asked;
use crate::support::{Socket, World, config, infos};
use beluga_engine::WireEnd;
use beluga_livekit::{Event, LocalTrackId, TrackOptions, TrackSource};
use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;

fn microphone(name: &str) -> TrackOptions {
    TrackOptions {
        name: name.to_owned(),
        source: TrackSource::Microphone,
        stream: String::new(),
        muted: false,
    }
}

#[test]
fn a_join_is_one_round_trip_with_the_track_in_it() {
    let mut config = config();
    config.publish = vec![(LocalTrackId(7), microphone("voice"))];
    let mut world = World::new(config);
    world.turn();
    assert_eq!(world.socket, Socket::Opening);
    let join = world.joins[0].clone();
    assert!(
        world.urls[0].starts_with("ws://server:7880/rtc/v1?access_token=token-1&join_request=")
    );
    assert!(join.connection_settings.unwrap().auto_subscribe);
    let client = join.client_info.unwrap();
    assert_eq!(
        (client.protocol, client.sdk),
        (16, proto::client_info::Sdk::Rust as i32)
    );
    let offer = join.publisher_offer.unwrap();
    assert_eq!((offer.r#type.as_str(), offer.id), ("offer", 1));
    let track = &join.add_track_requests[0];
    assert!(track.disable_red);
    assert_eq!(track.name, "voice");
    // No sections to receive on: they would be answered without an ssrc. The msid line has the request's cid.
    let Asked::Offer { send, receive, .. } = world.peer().get().asked[0].clone() else {
        panic!("no offer");
    };
    assert_eq!((send, receive), (vec![track.cid.clone()], 0));
}

#[test]
fn connected_is_who_can_send_sound_and_knows_everybody() {
    let mut config = config();
    config.publish = vec![(LocalTrackId(7), microphone("voice"))];
    let caller = infos::participant("caller", &["TR_c"]);
    let mut world = World::new(config);
    world.turn();
    world.accept();
    world.say(Response::Join(infos::join(&[caller])));
    let request = world.joins[0].add_track_requests[0].clone();
    world.publish(&request, "TR_");
    world.answer(&[]);
    assert!(
        world.take_shown().is_empty(),
        "nothing before the connection stands"
    );
    world.peer().get().connect();
    assert_eq!(
        world.take_shown(),
        [
            "connected",
            "connected to room as agent with [\"caller\"]",
            "our 7 is TR_voice"
        ]
    );
    world.subscribe(1, &[("1", "TR_c")]);
    assert_eq!(world.take_shown(), ["hear TR_c"]);
}

#[test]
fn a_server_that_cannot_be_reached_is_tried_three_times_and_named() {
    let mut world = World::new(config());
    for _ in 0..3 {
        world.turn();
        assert_eq!(world.socket, Socket::Opening);
        world.end(WireEnd::Unreachable {
            why: "connection refused".to_owned(),
            timed_out: false,
        });
        world.pass_ms(2_500);
    }
    let events = world.take_events();
    let Some(Event::Disconnected {
        error: Some(error), ..
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    assert_eq!(error.code.as_str(), "connection_failed");
    assert!(error.message.contains("connection refused"));
    assert_eq!(world.joins.len(), 3);
    assert_eq!(
        world.peer_count(),
        1,
        "an offer that nobody answered serves again"
    );
}
