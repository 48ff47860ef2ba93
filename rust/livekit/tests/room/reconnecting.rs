//! A connection that is lost and brought back.

use crate::support::doors::{loudspeaker, microphone};
use crate::support::peers::Asked;
use crate::support::{Socket, World, config, infos};
use beluga_engine::Secret;
use beluga_engine::WireEnd;
use beluga_livekit::{
    Command, DisconnectReason, ErrorCode, Event, InputRoute, LOSSY, LocalTrackId, Outcome,
    RELIABLE, Scenario, TrackPermission, TrackSource,
};
use beluga_webrtc::{InputId, Mid, OutputId, PeerEvent, PeerFault};
use livekit_protocol as proto;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;

const VOICE: LocalTrackId = LocalTrackId(1);
const EAR: InputId = InputId(2);
const MOUTH: OutputId = OutputId(3);

/// A call: a caller who is heard, and a voice of ours, both with doors.
fn call() -> World {
    let caller = infos::participant("caller", &["TR_c"]);
    let mut world = World::joined_with(config(), infos::join(&[caller]));
    attach(&mut world);
    world.publish_voice(VOICE);
    world.subscribe(1, &[("1", "TR_c")]);
    world.take_events();
    world.take_requests();
    world
}

fn attach(world: &mut World) {
    world.ask(Command::AttachInput {
        input: EAR,
        door: loudspeaker(),
        route: InputRoute::Participant {
            identity: "caller".to_owned(),
            source: TrackSource::Microphone,
        },
    });
    world.ask(Command::AttachOutput {
        output: MOUTH,
        door: microphone(),
        track: Some(VOICE),
    });
}

fn reconnect(world: &mut World, last_message_seq: u32) {
    world.say(Response::Reconnect(proto::ReconnectResponse {
        last_message_seq,
        ..Default::default()
    }));
}

fn leave(action: Action, reason: proto::DisconnectReason) -> Response {
    Response::Leave(proto::LeaveRequest {
        action: action as i32,
        reason: reason as i32,
        ..Default::default()
    })
}

/// All that a resume takes, once it was asked for.
fn resume(world: &mut World) {
    world.accept();
    reconnect(world, 0);
    world.answer(&[("1", "TR_c")]);
    world.peer().get().say(PeerEvent::Connected);
    world.turn();
}

/// The server has us join anew.
fn sent_away(world: &mut World) {
    world.say(leave(
        Action::Reconnect,
        proto::DisconnectReason::ServerShutdown,
    ));
}

/// A full rejoin of the room, the caller still being there.
fn rejoin_the_caller(world: &mut World) {
    rejoin(
        world,
        infos::join(&[infos::participant("caller", &["TR_c"])]),
    );
}

/// All that a full rejoin takes, once it was asked for.
fn rejoin(world: &mut World, join: proto::JoinResponse) {
    world.accept();
    world.say(Response::Join(join));
    let requests = world.joins.last().unwrap().add_track_requests.clone();
    for request in requests {
        world.publish(&request, "TR_new_");
    }
    world.answer(&[]);
    world.peer().get().connect();
    world.turn();
}

#[test]
fn signalling_that_is_lost_is_resumed_with_the_same_peer() {
    let mut world = call();
    world.lose();
    assert_eq!(world.take_shown(), ["reconnecting", "lost"]);
    assert_eq!(world.socket, Socket::Opening, "at once");
    let join = world.joins[1].clone();
    assert!(join.reconnect);
    assert_eq!(join.participant_sid, "PA_agent");
    assert_eq!(join.reconnect_reason, 1);
    assert!(join.publisher_offer.is_none());
    world.accept();
    reconnect(&mut world, 0);
    let requests = world.take_requests();
    let [Request::SyncState(sync), Request::Offer(_)] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    // Without it livekit-server 1.11.0 ends.
    let subscription = sync.subscription.clone().unwrap();
    assert!(!subscription.subscribe && subscription.track_sids.is_empty());
    assert_eq!(
        sync.publish_tracks[0].track.as_ref().unwrap().sid,
        "TR_voice"
    );
    assert!(sync.offer.is_some() && sync.answer.is_some());
    world.answer(&[("1", "TR_c")]);
    assert!(world.take_events().is_empty());
    world.peer().get().say(PeerEvent::Connected);
    assert_eq!(world.take_shown(), ["connected", "back"]);
    assert_eq!(world.peer_count(), 1);
    assert_eq!(world.peer().get().restarts, 1);
    assert_eq!(world.counters().resumes, 1);
}

#[test]
fn a_pair_that_was_never_lost_counts_after_a_second() {
    let mut world = call();
    world.lose();
    world.accept();
    reconnect(&mut world, 0);
    world.answer(&[("1", "TR_c")]);
    world.pass_ms(900);
    assert_eq!(world.take_shown(), ["reconnecting", "lost"]);
    world.pass_ms(200);
    assert_eq!(world.take_shown(), ["connected", "back"]);
}

#[test]
fn what_is_asked_while_the_connection_is_lost_is_done_when_it_is_back() {
    let mut world = call();
    world.lose();
    world.ask(Command::Mute {
        track: VOICE,
        muted: true,
    });
    let reliable = world.ask(infos::hello());
    let lossy = world.ask(Command::SendData {
        payload: b"lossy".to_vec(),
        reliable: false,
        topic: None,
        destinations: Vec::new(),
    });
    assert_eq!(
        world.result(lossy),
        Some(&Ok(Outcome::Done)),
        "it is worth nothing later"
    );
    assert!(world.result(reliable).is_none());
    world.take_requests();
    resume(&mut world);
    let requests = world.take_requests();
    let place = |is: &dyn Fn(&Request) -> bool| requests.iter().position(is).unwrap();
    let offer = place(&|request| matches!(request, Request::Offer(_)));
    let mute = place(&|request| matches!(request, Request::Mute(_)));
    assert!(offer < mute);
    assert_eq!(world.result(reliable), Some(&Ok(Outcome::Done)));
    assert_eq!(world.counters().lossy_unsent, 1);
}

#[test]
fn what_the_server_did_not_receive_is_sent_again_before_anything_new() {
    let mut world = call();
    for _ in 0..4 {
        world.ask(infos::hello());
    }
    world.take_packets();
    world.lose();
    world.ask(infos::hello());
    world.accept();
    reconnect(&mut world, 2);
    world.answer(&[("1", "TR_c")]);
    world.peer().get().say(PeerEvent::Connected);
    let sequences: Vec<u32> = world
        .take_packets()
        .iter()
        .map(|(_, packet)| packet.sequence)
        .collect();
    assert_eq!(sequences, [3, 4, 5]);
}

#[test]
fn wishes_that_differ_from_what_the_server_does_by_itself_are_repeated() {
    let mut world = call();
    world.ask(Command::Subscribe {
        track_sid: "TR_c".to_owned(),
        subscribed: false,
    });
    world.ask(Command::PermitSubscriptions {
        all_participants: false,
        permissions: vec![TrackPermission {
            identity: "caller".to_owned(),
            all_tracks: false,
            tracks: vec![VOICE],
        }],
    });
    world.take_requests();
    world.lose();
    resume(&mut world);
    let requests = world.take_requests();
    let Request::SyncState(sync) = &requests[0] else {
        panic!("{requests:?}");
    };
    assert_eq!(sync.subscription.as_ref().unwrap().track_sids, ["TR_c"]);
    let permitted = |request: &Request| matches!(request, Request::SubscriptionPermission(_));
    assert!(requests.iter().any(permitted));
}

#[test]
fn a_session_that_the_server_has_forgotten_is_joined_anew() {
    let mut world = call();
    world.lose();
    world.accept();
    world.say(leave(
        Action::Reconnect,
        proto::DisconnectReason::StateMismatch,
    ));
    world.pass_ms(400);
    assert_eq!(world.peer_count(), 2);
    let join = world.joins[2].clone();
    assert!(!join.reconnect);
    assert_eq!(join.add_track_requests[0].name, "voice");
    world.take_events();
    let mut again = infos::join(&[infos::participant("caller", &["TR_c"])]);
    again.participant.as_mut().unwrap().sid = "PA_agent2".to_owned();
    rejoin(&mut world, again);
    assert_eq!(
        world.take_shown(),
        [
            "we are PA_agent2",
            "our 1 was TR_voice and is TR_new_voice",
            "connected",
            "back"
        ]
    );
    // The doors went from the old peer to the new one, and are where they belong.
    assert_eq!(
        world.peer().get().outputs[&MOUTH].1,
        Some(Mid("0".to_owned()))
    );
    assert_eq!(world.peer().get().inputs[&EAR].1, None);
    world.subscribe(1, &[("1", "TR_c")]);
    assert_eq!(world.peer().get().inputs[&EAR].1, Some(Mid("1".to_owned())));
    assert!(
        world.take_shown().is_empty(),
        "the caller was heard all the time"
    );
    assert_eq!(world.counters().rejoins, 1);
    let first = world.peers.made.lock().unwrap()[0].clone();
    assert!(first.get().dropped);
}

#[test]
fn whoever_is_gone_after_a_rejoin_has_left() {
    let mut world = call();
    sent_away(&mut world);
    world.take_events();
    rejoin(&mut world, infos::join(&[infos::participant("other", &[])]));
    let shown = world.take_shown();
    assert_eq!(
        shown,
        [
            "hear no TR_c",
            "caller has no TR_c",
            "caller left: UNKNOWN_REASON",
            "other came",
            "other is active",
            "our 1 was TR_voice and is TR_new_voice",
            "connected",
            "back"
        ]
    );
}

#[test]
fn what_is_not_heard_again_five_seconds_after_a_rejoin_is_not_heard() {
    let mut world = call();
    sent_away(&mut world);
    rejoin_the_caller(&mut world);
    world.take_events();
    world.keep_alive_ms(5_100);
    assert_eq!(world.take_shown(), ["hear no TR_c"]);
}

#[test]
fn a_rejoin_begins_its_numbers_anew_and_loses_nothing_that_waits() {
    let mut world = call();
    world.peer().get().slow = true;
    let ids: Vec<_> = (0..12).map(|_| world.ask(infos::hello())).collect();
    world.take_packets();
    world.peer().get().take_one();
    sent_away(&mut world);
    rejoin(&mut world, infos::join(&[]));
    let sequences: Vec<u32> = world
        .take_packets()
        .iter()
        .map(|(_, packet)| packet.sequence)
        .collect();
    assert_eq!(sequences, (1..=11).collect::<Vec<_>>());
    for id in ids {
        assert_eq!(world.result(id), Some(&Ok(Outcome::Done)));
    }
}

#[test]
fn what_a_channel_had_not_taken_when_it_ended_comes_in_its_order_in_the_next_session() {
    let mut world = call();
    world.peer().get().slow = true;
    for number in 0..12 {
        world.ask(Command::SendData {
            payload: vec![number],
            reliable: true,
            topic: None,
            destinations: Vec::new(),
        });
    }
    // Of eight that it had, the channel gives five back, the oldest first; the others had not reached it.
    let peer = world.peer();
    let tickets: Vec<u64> = peer.get().tickets.drain(..5).collect();
    for ticket in tickets {
        let taken = false;
        peer.get().say(PeerEvent::Sent { ticket, taken });
    }
    peer.get().say(PeerEvent::Closed(None));
    world.lose();
    rejoin(&mut world, infos::join(&[]));
    let payloads: Vec<u8> = world
        .take_packets()
        .into_iter()
        .filter_map(|(_, packet)| match packet.value {
            Some(proto::data_packet::Value::User(user)) => Some(user.payload[0]),
            _ => None,
        })
        .collect();
    assert_eq!(payloads, (0..12).collect::<Vec<_>>());
}

#[test]
fn a_stream_that_is_open_through_a_rejoin_is_broken_and_says_so() {
    let mut world = call();
    let id = world.ask(Command::OpenStream(Default::default()));
    let Some(Ok(Outcome::Stream(info))) = world.result(id).cloned() else {
        panic!("not open");
    };
    world.peer().get().slow = true;
    let write = world.ask(Command::WriteStream {
        stream_id: info.stream_id.clone(),
        content: vec![b'x'; 400_000],
    });
    sent_away(&mut world);
    rejoin(&mut world, infos::join(&[]));
    let error = world.result(write).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::Disconnected);
    let more = world.ask(Command::WriteStream {
        stream_id: info.stream_id,
        content: b"x".to_vec(),
    });
    assert!(world.result(more).unwrap().is_err());
    assert!(
        world.take_packets().is_empty(),
        "nothing of it goes to the new session"
    );
}

#[test]
fn a_server_that_does_not_want_us_back_is_believed() {
    let mut world = call();
    world.take_events();
    world.say(leave(
        Action::Disconnect,
        proto::DisconnectReason::DuplicateIdentity,
    ));
    assert_eq!(
        world.take_shown(),
        ["disconnected", "over: DUPLICATE_IDENTITY"]
    );
}

#[test]
fn a_resume_that_the_server_asks_for_comes_at_once() {
    let mut world = call();
    world.say(leave(
        Action::Resume,
        proto::DisconnectReason::ConnectionTimeout,
    ));
    assert!(world.joins[1].reconnect);
    resume(&mut world);
    assert_eq!(
        world.take_shown(),
        ["reconnecting", "lost", "connected", "back"]
    );
}

#[test]
fn a_pair_that_is_lost_for_three_seconds_is_looked_for_anew() {
    let mut world = call();
    world.peer().get().say(PeerEvent::Disconnected);
    world.pass_ms(1_000);
    world.peer().get().say(PeerEvent::Connected);
    world.pass_ms(1_000);
    assert!(world.take_events().is_empty(), "it came back by itself");
    world.peer().get().say(PeerEvent::Disconnected);
    world.pass_ms(3_100);
    assert_eq!(
        world.joins[1].reconnect_reason,
        proto::ReconnectReason::RrPublisherFailed as i32
    );
    resume(&mut world);
    assert_eq!(
        world.take_shown(),
        ["reconnecting", "lost", "connected", "back"]
    );
}

#[test]
fn a_resume_without_sound_becomes_a_rejoin() {
    let mut world = call();
    world.peer().get().say(PeerEvent::Disconnected);
    world.pass_ms(3_100);
    world.accept();
    reconnect(&mut world, 0);
    world.answer(&[("1", "TR_c")]);
    world.pass_ms(14_900);
    assert_eq!(world.peer_count(), 1);
    world.say(Response::PongResp(proto::Pong::default()));
    world.pass_ms(1_000);
    assert_eq!(world.peer_count(), 2);
}

#[test]
fn a_peer_that_is_over_is_replaced() {
    let mut world = call();
    let fault = PeerFault::Transport("dtls".to_owned());
    world.peer().get().end(Some(fault));
    world.turn();
    let early = world.take_shown();
    assert!(
        !early.contains(&"lost".to_owned()),
        "the server may say why"
    );
    world.pass_ms(500);
    assert_eq!(world.take_shown(), ["reconnecting", "lost"]);
    assert_eq!(world.peer_count(), 2);
    assert!(!world.joins[1].reconnect);
    rejoin_the_caller(&mut world);
    assert!(world.take_shown().contains(&"back".to_owned()));
    assert_is_in_use(&mut world);
}

/// The session is heard again, and hears.
fn assert_is_in_use(world: &mut World) {
    world.subscribe(1, &[("1", "TR_c")]);
    let peer = world.peer();
    let peer = peer.get();
    assert_eq!(peer.inputs[&EAR].1, Some(Mid("1".to_owned())));
    assert_eq!(peer.outputs[&MOUTH].1, Some(Mid("0".to_owned())));
}

#[test]
fn doors_on_their_way_to_a_peer_that_is_over_go_to_the_next() {
    for full in [true, false] {
        let mut world = call();
        for command in [Command::DetachInput(EAR), Command::DetachOutput(MOUTH)] {
            world.ask(command);
        }
        if full {
            world.peer().get().full = true;
        } else {
            world.peer().get().over = true;
        }
        attach(&mut world);
        world.peer().get().end(None);
        world.pass_ms(500);
        rejoin_the_caller(&mut world);
        assert_is_in_use(&mut world);
    }
}

#[test]
fn a_peer_that_takes_its_time_keeps_nobody_from_being_heard_again() {
    let mut world = call();
    let old = world.peer();
    old.get().full = true;
    sent_away(&mut world);
    rejoin_the_caller(&mut world);
    // As long as a machine may have been asleep.
    world.keep_alive_ms(60_000);
    assert!(world.peer().get().inputs.is_empty());
    old.get().full = false;
    world.turn();
    assert_is_in_use(&mut world);
}

#[test]
fn a_defect_in_a_connection_ends_the_room_and_says_so() {
    let mut world = call();
    world.peer().get().end(Some(PeerFault::Defect));
    world.turn();
    let events = world.take_events();
    let Some(Event::Disconnected {
        error: Some(error), ..
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    assert_eq!(error.code.as_str(), "internal_error");
    assert_eq!(world.peer_count(), 1);
}

#[test]
fn a_room_that_is_deleted_is_not_made_again_though_its_sound_ends_first() {
    for ended in [PeerEvent::Closed(None), PeerEvent::ChannelClosed(RELIABLE)] {
        let mut world = call();
        world.peer().get().say(ended);
        world.pass_ms(100);
        world.say(leave(
            Action::Disconnect,
            proto::DisconnectReason::RoomDeleted,
        ));
        world.pass_ms(1_000);
        let events = world.take_events();
        let over = |event: &Event| {
            let deleted = DisconnectReason::RoomDeleted;
            matches!(event, Event::Disconnected { reason, error: None } if *reason == deleted)
        };
        assert!(events.last().is_some_and(over), "{events:?}");
        assert!(
            !events
                .iter()
                .any(|event| matches!(event, Event::Reconnecting))
        );
        assert_eq!(world.joins.len(), 1);
    }
}

#[test]
fn signalling_that_ends_with_the_peer_is_joined_anew_and_not_resumed() {
    let mut world = call();
    world.peer().get().say(PeerEvent::ChannelClosed(RELIABLE));
    world.pass_ms(100);
    world.lose();
    assert_eq!(world.take_shown(), ["reconnecting", "lost"]);
    assert_eq!(world.peer_count(), 2);
    assert!(!world.joins[1].reconnect);
}

/// Until the next attempt.
fn wait_for_attempt(world: &mut World) {
    for _ in 0..100 {
        if world.socket == Socket::Opening {
            return;
        }
        world.pass_ms(100);
    }
    panic!("nothing is tried");
}

#[test]
fn a_connection_that_never_stands_for_long_is_given_up() {
    let mut world = call();
    for _ in 0..10 {
        world.lose();
        wait_for_attempt(&mut world);
        resume(&mut world);
    }
    world.take_events();
    world.lose();
    let events = world.take_events();
    assert!(
        matches!(
            events.last(),
            Some(Event::Disconnected { error: Some(_), .. })
        ),
        "{events:?}"
    );
}

#[test]
fn a_connection_that_stood_is_brought_back_at_once() {
    let mut world = call();
    for _ in 0..3 {
        world.pass_ms(10_000);
        world.lose();
        assert_eq!(world.socket, Socket::Opening);
        resume(&mut world);
    }
}

#[test]
fn a_server_that_is_not_heard_for_fifteen_seconds_is_lost() {
    let mut world = call();
    world.pass_ms(14_000);
    assert_eq!(world.pings.len(), 3);
    world.pass_ms(1_100);
    assert_eq!(world.take_shown(), ["reconnecting", "lost"]);
    assert!(world.joins[1].reconnect);
}

#[test]
fn the_round_trip_of_signalling_is_measured() {
    let mut world = call();
    world.pass_ms(5_025);
    let ping = world.pings.pop().unwrap();
    world.say(Response::PongResp(proto::Pong {
        last_ping_timestamp: ping.timestamp,
        timestamp: 0,
    }));
    let id = world.ask(Command::Stats);
    let Some(Ok(Outcome::Stats(stats))) = world.result(id) else {
        panic!("no stats");
    };
    assert_eq!(stats.signal_round_trip_ms, Some(25));
    assert_eq!(stats.peer.packets_sent, 7);
}

#[test]
fn ten_attempts_are_made_over_forty_seconds_and_then_it_is_over() {
    let mut world = call();
    world.lose();
    let began_us = world.now_us;
    let mut attempts = 0;
    while !world.room_is_over() {
        if world.socket == Socket::Opening {
            attempts += 1;
            world.end(WireEnd::Unreachable {
                why: "connection refused".to_owned(),
                timed_out: false,
            });
        }
        world.pass_ms(100);
        assert!(attempts <= 10);
    }
    assert_eq!(attempts, 10);
    let seconds = (world.now_us - began_us) / 1_000_000;
    assert!((43..55).contains(&seconds), "{seconds} s");
    let events = world.take_events();
    let Some(Event::Disconnected {
        error: Some(error), ..
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    assert_eq!(error.code, ErrorCode::ConnectionFailed);
}

#[test]
fn a_server_that_is_being_restarted_is_waited_for() {
    let mut world = call();
    world.lose();
    world.end(WireEnd::Refused { status: 404 });
    world.fetched(404, "404 page not found");
    assert!(!world.room_is_over());
    world.pass_ms(400);
    world.end(WireEnd::Refused { status: 503 });
    world.fetched(503, "");
    world.pass_ms(2_300);
    world.accept();
    world.say(leave(
        Action::Reconnect,
        proto::DisconnectReason::StateMismatch,
    ));
    world.pass_ms(4_000);
    world.take_events();
    rejoin(&mut world, infos::join(&[]));
    assert!(world.take_shown().contains(&"back".to_owned()));
}

#[test]
fn a_token_that_has_expired_is_asked_for_once() {
    let mut config = config();
    config.renews_token = true;
    let mut world = World::joined_with(config, infos::join(&[]));
    world.take_events();
    world.lose();
    world.end(WireEnd::Refused { status: 401 });
    world.fetched(401, "expired");
    assert_eq!(world.take_shown(), ["reconnecting", "lost", "token needed"]);
    world.ask(Command::SetToken(Secret::new("token-2".to_owned())));
    assert!(world.urls[2].contains("access_token=token-2"));
    rejoin(&mut world, infos::join(&[]));
    assert_eq!(world.take_shown(), ["connected", "back"]);
    world.pass_ms(10_000);
    world.lose();
    for _ in 0..2 {
        world.end(WireEnd::Refused { status: 401 });
        world.fetched(401, "expired");
        if !world.room_is_over() {
            world.ask(Command::SetToken(Secret::new("token-3".to_owned())));
        }
    }
    let shown = world.take_shown();
    assert_eq!(
        shown.last().map(String::as_str),
        Some("over: JOIN_FAILURE AuthenticationFailed")
    );
}

#[test]
fn an_expired_token_that_nobody_renews_ends_the_room() {
    let mut world = call();
    world.lose();
    world.end(WireEnd::Refused { status: 401 });
    world.fetched(401, "expired");
    assert!(world.room_is_over());
}

#[test]
fn a_token_that_does_not_come_is_waited_for_half_a_minute() {
    let mut config = config();
    config.renews_token = true;
    let mut world = World::joined_with(config, infos::join(&[]));
    world.lose();
    world.end(WireEnd::Refused { status: 401 });
    world.fetched(401, "expired");
    world.pass_ms(29_000);
    assert!(!world.room_is_over());
    world.pass_ms(1_100);
    assert!(world.room_is_over());
}

#[test]
fn a_server_that_never_resumes_is_joined_anew() {
    let mut join = infos::join(&[]);
    join.client_configuration = Some(proto::ClientConfiguration {
        resume_connection: proto::ClientConfigSetting::Disabled as i32,
        ..Default::default()
    });
    let mut world = World::joined_with(config(), join);
    world.lose();
    assert!(!world.joins[1].reconnect);
    assert_eq!(world.peer_count(), 2);
}

#[test]
fn a_room_that_is_not_to_be_brought_back_is_over() {
    let mut config = config();
    config.reconnect = false;
    let mut world = World::joined_with(config, infos::join(&[]));
    world.take_events();
    world.lose();
    assert_eq!(
        world.take_shown(),
        ["disconnected", "over: SIGNAL_CLOSE ConnectionFailed"]
    );
}

#[test]
fn leaving_works_at_every_step_of_coming_back() {
    for steps in 0..4 {
        let mut world = call();
        world.lose();
        if steps >= 1 {
            world.accept();
        }
        if steps >= 2 {
            reconnect(&mut world, 0);
        }
        if steps >= 3 {
            world.answer(&[]);
        }
        let id = world.ask(Command::Leave(Default::default()));
        world.pass_ms(400);
        assert_eq!(world.result(id), Some(&Ok(Outcome::Done)), "{steps}");
        assert!(world.room_is_over(), "{steps}");
    }
}

#[test]
fn signalling_lost_at_every_step_of_joining_is_tried_again() {
    for steps in 0..4 {
        let mut world = World::new(config());
        world.turn();
        if steps >= 1 {
            world.accept();
        }
        if steps >= 2 {
            world.say(Response::Join(infos::join(&[])));
        }
        if steps >= 3 {
            world.answer(&[]);
        }
        world.lose();
        world.pass_ms(400);
        assert_eq!(world.socket, Socket::Opening, "{steps}");
        assert!(!world.joins.last().unwrap().reconnect);
        world.accept();
        world.say(Response::Join(infos::join(&[])));
        world.answer(&[]);
        world.peer().get().connect();
        assert_eq!(world.take_shown().len(), 2, "{steps}");
    }
}

#[test]
fn signalling_lost_while_it_is_resumed_becomes_a_rejoin() {
    let mut world = call();
    world.lose();
    world.accept();
    reconnect(&mut world, 0);
    world.lose();
    world.pass_ms(400);
    assert!(!world.joins.last().unwrap().reconnect);
    assert_eq!(world.peer_count(), 2);
}

#[test]
fn an_offer_that_is_under_way_when_signalling_is_lost_is_made_again() {
    let mut world = call();
    // Wants a section, and does not get its answer.
    world.say(Response::MediaSectionsRequirement(
        proto::MediaSectionsRequirement {
            num_audios: 1,
            num_videos: 0,
        },
    ));
    world.lose();
    world.accept();
    reconnect(&mut world, 0);
    let asked = world.peer().get().asked.clone();
    let last = asked
        .iter()
        .rev()
        .find(|asked| matches!(asked, Asked::Offer { .. }));
    assert!(
        matches!(
            last,
            Some(Asked::Offer {
                receive: 1,
                ice_restart: true,
                ..
            })
        ),
        "{last:?}"
    );
    assert!(asked.iter().any(|asked| matches!(asked, Asked::GiveUp(_))));
    // The answer to the old offer comes late: it is nobody's.
    let old = world.offers[world.offers.len() - 2];
    world.answer_offer(old, "answer", &[]);
    world.answer(&[("1", "TR_c")]);
    world.peer().get().say(PeerEvent::Connected);
    assert!(world.take_shown().contains(&"back".to_owned()));
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
    let mut world = call();
    world.say(Response::MediaSectionsRequirement(
        proto::MediaSectionsRequirement::default(),
    ));
    world.keep_alive_ms(9_900);
    assert_eq!(world.joins.len(), 1);
    world.keep_alive_ms(200);
    assert_eq!(world.joins.len(), 2);
}

#[test]
fn an_answer_that_does_not_fit_brings_a_new_session() {
    let mut world = call();
    world.say(Response::MediaSectionsRequirement(
        proto::MediaSectionsRequirement::default(),
    ));
    let id = *world.offers.last().unwrap();
    world.answer_offer(id, "bad", &[]);
    assert_eq!(world.peer_count(), 2);
}

#[test]
fn losses_can_be_simulated() {
    let mut world = call();
    let id = world.ask(Command::Simulate(Scenario::SignalLost));
    assert_eq!(world.result(id), Some(&Ok(Outcome::Done)));
    assert_eq!(world.take_shown(), ["reconnecting", "lost"]);
    let early = world.ask(Command::Simulate(Scenario::NodeFailure));
    assert!(world.result(early).unwrap().is_err());
    resume(&mut world);
    world.pass_ms(10_000);
    world.take_shown();
    let id = world.ask(Command::Simulate(Scenario::FullReconnect));
    assert_eq!(world.result(id), Some(&Ok(Outcome::Done)));
    assert_eq!(world.take_shown(), ["reconnecting", "lost"]);
    assert_eq!(world.peer_count(), 2, "with a peer of its own");
    assert!(!world.joins.last().unwrap().reconnect);
    rejoin(&mut world, infos::join(&[]));
    assert!(
        world
            .take_shown()
            .ends_with(&["connected".to_owned(), "back".to_owned()])
    );
    assert!(
        world
            .take_requests()
            .iter()
            .all(|request| !matches!(request, Request::Simulate(_)))
    );
}

#[test]
fn data_that_comes_while_signalling_is_lost_is_told() {
    let mut world = call();
    world.lose();
    world.take_events();
    let packet = proto::DataPacket {
        participant_identity: "caller".to_owned(),
        value: Some(proto::data_packet::Value::User(proto::UserPacket::default())),
        ..Default::default()
    };
    for channel in [RELIABLE, LOSSY] {
        world.packet(channel, &packet);
    }
    assert_eq!(world.take_events().len(), 2);
}

#[test]
fn a_room_that_is_another_now_is_told_whole() {
    let mut world = call();
    world.say(Response::RoomMoved(proto::RoomMovedResponse {
        room: Some(proto::Room {
            name: "other".to_owned(),
            ..Default::default()
        }),
        token: "token-2".to_owned(),
        participant: Some(infos::participant("agent", &[])),
        other_participants: vec![infos::participant("host", &[])],
    }));
    let events = world.take_events();
    let Some(Event::Moved(snapshot)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(snapshot.room.name, "other");
    assert_eq!(snapshot.remotes.len(), 1);
    world.lose();
    assert!(world.urls.last().unwrap().contains("token-2"));
}
