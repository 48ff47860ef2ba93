//! Out of a room.

use crate::support::{Socket, World, config, infos};
use beluga_engine::Wire;
use beluga_livekit::{Command, ErrorCode, LeaveReason, MAX_COMMANDS, Outcome};
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;

fn leave(world: &mut World) -> beluga_livekit::CommandId {
    world.ask(Command::Leave(LeaveReason::AgentError))
}

#[test]
fn leaving_is_done_when_the_server_has_said_goodbye() {
    let mut world = World::joined();
    world.take_events();
    let id = leave(&mut world);
    let Some(Request::Leave(request)) = world.requests.last() else {
        panic!("no goodbye");
    };
    assert_eq!(request.reason, proto::DisconnectReason::AgentError as i32);
    assert!(world.result(id).is_none());
    world.say(Response::Leave(proto::LeaveRequest::default()));
    assert_eq!(world.result(id), Some(&Ok(Outcome::Done)));
    assert_eq!(world.socket, Socket::None);
    assert_eq!(world.take_shown(), ["disconnected", "over: AGENT_ERROR"]);
    assert!(world.room_is_over());
    assert!(world.peer().get().dropped);
}

#[test]
fn a_server_that_does_not_say_goodbye_is_waited_for_300_ms() {
    let mut world = World::joined();
    let id = leave(&mut world);
    world.pass_ms(290);
    assert!(world.result(id).is_none());
    world.pass_ms(20);
    assert_eq!(world.result(id), Some(&Ok(Outcome::Done)));
}

#[test]
fn whoever_drops_the_handle_leaves() {
    let mut world = World::joined();
    world.handle = None;
    world.turn();
    assert!(matches!(world.requests.last(), Some(Request::Leave(_))));
    world.lose();
    assert!(world.room_is_over());
}

#[test]
fn leaving_works_at_every_step_of_joining() {
    for steps in 0..5 {
        let mut world = World::new(config());
        if steps >= 1 {
            world.turn();
        }
        if steps >= 2 {
            world.accept();
        }
        if steps >= 3 {
            world.say(Response::Join(infos::join(&[])));
        }
        if steps >= 4 {
            world.answer(&[]);
        }
        let id = leave(&mut world);
        world.pass_ms(400);
        assert_eq!(world.result(id), Some(&Ok(Outcome::Done)), "{steps}");
        let shown = world.take_shown();
        assert_eq!(shown, ["over: AGENT_ERROR"], "{steps}");
        assert_eq!(world.socket, Socket::None, "{steps}");
        let said = world
            .requests
            .iter()
            .any(|request| matches!(request, Request::Leave(_)));
        assert_eq!(said, steps >= 3, "{steps}");
    }
}

#[test]
fn at_the_end_of_the_process_everything_is_ordered_at_once() {
    let mut world = World::joined();
    world.room.leave(world.now_us);
    assert!(world.room_is_over());
    world.turn();
    assert!(matches!(world.requests.last(), Some(Request::Leave(_))));
    assert_eq!(world.socket, Socket::None);
}

#[test]
fn whoever_waits_for_something_is_told_that_the_room_is_over() {
    let mut world = World::joined();
    world.peer().get().slow = true;
    let ids: Vec<_> = (0..20).map(|_| world.ask(infos::hello())).collect();
    world.say(Response::Leave(proto::LeaveRequest {
        reason: proto::DisconnectReason::RoomDeleted as i32,
        ..Default::default()
    }));
    for id in ids {
        let error = world.result(id).cloned().unwrap().unwrap_err();
        assert_eq!(error.code, ErrorCode::Disconnected);
    }
    let shown = world.take_shown();
    assert_eq!(shown.last().map(String::as_str), Some("over: ROOM_DELETED"));
    let said = |request: &Request| matches!(request, Request::Leave(_));
    assert!(!world.requests.iter().any(said), "it knows");
}

#[test]
fn a_room_that_is_over_takes_no_commands_and_gives_them_back() {
    let mut world = World::joined();
    world.room.leave(world.now_us);
    let refused = world.handle.as_ref().unwrap().command(infos::hello());
    let refused = refused.unwrap_err();
    assert_eq!(refused.error.code, ErrorCode::Disconnected);
    assert!(matches!(*refused.command, Command::SendData { .. }));
}

#[test]
fn commands_are_bounded() {
    let world = World::new(config());
    let handle = world.handle.as_ref().unwrap();
    for _ in 0..MAX_COMMANDS {
        handle.command(infos::hello()).unwrap();
    }
    let refused = handle.command(infos::hello()).unwrap_err();
    assert_eq!(refused.error.code, ErrorCode::RateLimitExceeded);
}

#[test]
fn a_defect_ends_the_room_and_says_so() {
    let mut world = World::joined();
    world.peer().get().slow = true;
    world.take_events();
    let id = world.ask(infos::hello());
    world.room.fail(world.now_us);
    world.turn();
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::InternalError);
    let shown = world.take_shown();
    assert_eq!(
        shown.last().map(String::as_str),
        Some("over: UNKNOWN_REASON InternalError")
    );
}

#[test]
fn whoever_takes_no_events_is_not_there() {
    let mut world = World::joined();
    for number in 0..9_000 {
        let mut info = infos::participant("flicker", &[]);
        info.version = number + 1;
        info.metadata = number.to_string();
        world.update_unheard(&[info]);
        if world.room_is_over() {
            break;
        }
    }
    assert!(world.room_is_over());
    let shown = world.take_shown();
    assert_eq!(
        shown.last().map(String::as_str),
        Some("over: UNKNOWN_REASON RateLimitExceeded")
    );
}
