//! Into a room.

use crate::support::peers::Asked;
use crate::support::{Socket, World, config, infos};
use beluga_engine::{Fetched, Wire, WireEnd};
use beluga_livekit::{Command, ErrorCode, Event, LocalTrackId, RoomError};
use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;

/// What a room that was never joined failed of.
fn failure(world: &mut World) -> RoomError {
    let events = world.take_events();
    match events.last() {
        Some(Event::Disconnected {
            error: Some(error), ..
        }) => error.clone(),
        _ => panic!("{events:?}"),
    }
}

#[test]
fn a_join_is_one_round_trip_with_the_track_in_it() {
    let mut config = config();
    config.publish = vec![(LocalTrackId(7), infos::microphone("voice"))];
    let mut world = World::new(config);
    world.turn();
    assert_eq!(world.socket, Socket::Opening);
    let join = world.joins[0].clone();
    let begin = "ws://server:7880/rtc/v1?access_token=token-1&join_request=";
    assert!(world.urls[0].starts_with(begin));
    assert!(join.connection_settings.unwrap().auto_subscribe);
    let client = join.client_info.unwrap();
    assert_eq!(client.protocol, 16);
    assert_eq!(client.sdk, proto::client_info::Sdk::Rust as i32);
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
    config.publish = vec![(LocalTrackId(7), infos::microphone("voice"))];
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
        "before the connection stands"
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
fn what_happens_while_joining_is_in_the_snapshot() {
    let mut world = World::new(config());
    world.turn();
    world.accept();
    world.say(Response::Join(infos::join(&[])));
    world.update(&[infos::participant("late", &["TR_l"])]);
    world.answer(&[]);
    world.subscribe(1, &[("0", "TR_l")]);
    world.peer().get().connect();
    assert_eq!(
        world.take_shown(),
        [
            "connected",
            "connected to room as agent with [\"late\"]",
            "hear TR_l"
        ]
    );
}

#[test]
fn candidates_that_come_before_the_answer_wait_for_it() {
    let mut world = World::new(config());
    world.turn();
    world.accept();
    world.say(Response::Join(infos::join(&[])));
    let trickle = |init: &str| {
        Response::Trickle(proto::TrickleRequest {
            candidate_init: init.to_owned(),
            ..Default::default()
        })
    };
    world.say(trickle(r#"{"candidate":"candidate:1 udp","sdpMid":"0"}"#));
    world.say(trickle("no json"));
    world.say(trickle(r#"{"candidate":""}"#));
    let candidates = |world: &World| -> Vec<Asked> {
        let asked = world.peer().get().asked.clone();
        let is = |asked: &Asked| matches!(asked, Asked::Candidate(_));
        asked.into_iter().filter(is).collect()
    };
    assert!(candidates(&world).is_empty());
    world.answer(&[]);
    world.say(trickle(r#"{"candidate":"candidate:2 tcp"}"#));
    assert_eq!(
        candidates(&world),
        [
            Asked::Candidate("candidate:1 udp".to_owned()),
            Asked::Candidate("candidate:2 tcp".to_owned())
        ]
    );
}

#[test]
fn answers_to_offers_that_were_never_made_change_nothing() {
    let mut world = World::new(config());
    world.turn();
    world.accept();
    world.say(Response::Join(infos::join(&[])));
    for id in [0, 2, 77] {
        world.answer_offer(id, "answer", &[("0", "TR_x")]);
    }
    world.answer(&[]);
    world.answer(&[]);
    world.peer().get().connect();
    assert_eq!(world.take_shown().len(), 2);
    let answers = world.peer().get().asked.clone();
    let is = |asked: &&Asked| matches!(asked, Asked::Answer(_));
    assert_eq!(answers.iter().filter(is).count(), 1);
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
    let error = failure(&mut world);
    assert_eq!(error.code.as_str(), "connection_failed");
    assert!(error.message.contains("connection refused"));
    assert_eq!(world.joins.len(), 3);
    let peers = world.peer_count();
    assert_eq!(peers, 1, "an offer that nobody answered serves again");
}

#[test]
fn a_wrong_token_is_said_at_once_and_nothing_of_it_is_repeated() {
    let mut world = World::new(config());
    world.turn();
    world.end(WireEnd::Refused { status: 401 });
    assert!(world.fetches[0].starts_with("http://server:7880/rtc/v1/validate?access_token="));
    world.fetched(401, "invalid token: token-1");
    let error = failure(&mut world);
    assert_eq!(error.code, ErrorCode::AuthenticationFailed);
    assert!(!error.message.contains("token-1"));
    assert_eq!(world.joins.len(), 1);
}

#[test]
fn a_server_without_single_peer_connections_is_left_to_the_sdk() {
    let mut world = World::new(config());
    world.turn();
    world.end(WireEnd::Refused { status: 404 });
    world.fetched(404, "404 page not found");
    assert!(failure(&mut world).code.wants_sdk());
}

#[test]
fn a_room_that_is_not_there_is_named() {
    let mut world = World::new(config());
    world.turn();
    world.end(WireEnd::Refused { status: 404 });
    world.fetched(404, "requested room does not exist");
    let error = failure(&mut world);
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[test]
fn an_upgrade_that_fails_for_now_is_tried_again() {
    let mut world = World::new(config());
    world.turn();
    world.end(WireEnd::Refused { status: 500 });
    world.fetched(200, "success");
    world.pass_ms(400);
    assert_eq!(world.socket, Socket::Opening);
    world.accept();
    world.say(Response::Join(infos::join(&[])));
    world.answer(&[]);
    world.peer().get().connect();
    assert_eq!(world.take_shown().len(), 2);
}

#[test]
fn no_way_for_sound_after_five_seconds_leaves_the_room_for_the_sdk() {
    let mut world = World::new(config());
    world.turn();
    world.accept();
    world.say(Response::Join(infos::join(&[])));
    world.answer(&[]);
    world.pass_ms(4_900);
    assert!(world.take_events().is_empty());
    world.pass_ms(200);
    assert_eq!(failure(&mut world).code, ErrorCode::NoMediaPath);
    assert!(matches!(
        world.requests.last(),
        Some(proto::signal_request::Message::Leave(_))
    ));
    assert_eq!(world.socket, Socket::None);
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_time() {
    let mut world = World::new(config());
    world.turn();
    world.accept();
    world.pass_ms(15_100);
    assert_eq!(failure(&mut world).code, ErrorCode::ConnectionTimeout);
    assert!(world.room_is_over());
}

#[test]
fn a_server_that_does_not_want_us_is_believed() {
    let mut world = World::new(config());
    world.turn();
    world.accept();
    world.say(Response::Leave(proto::LeaveRequest {
        reason: proto::DisconnectReason::JoinFailure as i32,
        ..Default::default()
    }));
    let error = failure(&mut world);
    assert_eq!(error.code, ErrorCode::ConnectionFailed);
    assert!(error.message.contains("join failure"));
}

#[test]
fn in_the_cloud_other_regions_are_tried() {
    let mut config = config();
    config.url = "wss://project.livekit.cloud".to_owned();
    let mut world = World::new(config);
    world.turn();
    world.end(WireEnd::Unreachable {
        why: "no route".to_owned(),
        timed_out: false,
    });
    assert_eq!(
        world.fetches,
        ["https://project.livekit.cloud/settings/regions"]
    );
    world.fetched(
        200,
        r#"{"regions":[{"url":"wss://eu.production.livekit.cloud"},{"url":"wss://us.production.livekit.cloud"}]}"#,
    );
    world.pass_ms(400);
    assert!(world.urls[1].starts_with("wss://eu.production.livekit.cloud/rtc/v1?"));
    world.end(WireEnd::Lost { code: None });
    world.pass_ms(2_500);
    assert!(world.urls[2].starts_with("wss://us.production.livekit.cloud/rtc/v1?"));
}

#[test]
fn a_question_that_is_not_answered_does_not_hold_the_join_up() {
    let mut world = World::new(config());
    world.turn();
    world.end(WireEnd::Refused { status: 503 });
    world.room.fetched(
        world.now_us,
        Fetched::Failed {
            why: "reset".to_owned(),
        },
    );
    world.pass_ms(400);
    assert_eq!(world.socket, Socket::Opening);
}

#[test]
fn commands_of_a_room_that_was_never_joined_fail_with_its_reason() {
    let mut world = World::new(config());
    let publish = world.ask(Command::Publish {
        track: LocalTrackId(1),
        options: infos::microphone("voice"),
    });
    let data = world.ask(infos::hello());
    world.end(WireEnd::Refused { status: 401 });
    world.fetched(401, "");
    for id in [publish, data] {
        let result = world.result(id).cloned().unwrap();
        assert_eq!(result.unwrap_err().code, ErrorCode::AuthenticationFailed);
    }
}

#[test]
fn a_url_of_no_server_is_refused_before_anything_is_opened() {
    let mut config = config();
    config.url = "server:7880".to_owned();
    let error = World::refused(config);
    assert_eq!(error.code, ErrorCode::InvalidInput);
}
