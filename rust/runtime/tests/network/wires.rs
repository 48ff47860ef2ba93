//! Wires: what they are told of their WebSockets.

use super::support::{Behaviour, Heard, Script, Seen, Server, reach, runtime, wait_for};
use beluga_counting_alloc::calls_of;
use beluga_engine::{WireEnd, WireOrder};
use beluga_runtime::now_us;
use std::net::TcpListener;
use std::sync::atomic::Ordering;

/// What is said of a server that was not reached; that it gave no secret away is checked on the way.
#[track_caller]
fn unreachable(seen: Seen) -> (String, bool) {
    let Seen::Ended(WireEnd::Unreachable { why, timed_out }) = seen else {
        panic!("{seen:?} is not what was expected");
    };
    assert!(!why.contains("SECRET"), "{why}");
    (why, timed_out)
}

#[test]
fn what_a_wire_sends_arrives_and_what_comes_back_is_told() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Echo));
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    for message in [b"hello".to_vec(), vec![3; 100_000], Vec::new()] {
        wire.send(&message);
        assert_eq!(wire.next(), Seen::Received(message));
    }
    wire.send(b"text:words");
    assert_eq!(wire.next(), Seen::Received(b"words".to_vec()));
    let request = &server.requests()[0];
    assert!(request.contains("/rtc?access_token=SECRET"));
    assert!(
        request.contains("\"user-agent\": \"beluga-test/1\""),
        "{request}"
    );
    let network = runtime.network();
    assert_eq!(network.websockets_opened.get(), 1);
    assert_eq!(network.messages_out.get(), 4);
    assert_eq!(network.messages_in.get(), 4);
}

#[test]
fn a_websocket_that_a_wire_closes_is_closed_in_an_orderly_way_and_nothing_is_told_of_it() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Echo));
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    let last_words = WireOrder::Send(b"last words".to_vec());
    wire.order_all([last_words, WireOrder::Close]);
    wait_for("the server has heard it", || server.heard().len() == 2);
    let heard = server.heard();
    assert_eq!(heard[0], Heard::Message(b"last words".to_vec()));
    assert_eq!(heard[1], Heard::Close(Some(1_000)));
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened, "and of nothing else");
    let network = runtime.network();
    assert_eq!(network.reconnects.get(), 1);
    assert_eq!(network.websockets_lost.get(), 0);
}

#[test]
fn opening_another_websocket_drops_the_one_before_and_what_was_on_its_way() {
    let runtime = runtime();
    let (first, second) = (
        Server::start(Behaviour::Echo),
        Server::start(Behaviour::Echo),
    );
    let silent = Server::start(Behaviour::Silent);
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&first.ws());
    assert_eq!(wire.next(), Seen::Opened);
    wire.open(&silent.ws());
    wire.open(&second.ws());
    assert_eq!(wire.next(), Seen::Opened);
    wire.send(b"to whom?");
    assert_eq!(wire.next(), Seen::Received(b"to whom?".to_vec()));
    wait_for("the first has heard of it", || {
        first.heard() == [Heard::End]
    });
    assert_eq!(second.heard().len(), 1);
}

#[test]
fn a_server_that_refuses_is_told_with_its_status() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    for status in [401, 404, 500, 301, 200] {
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 5\r\n\r\nsorry");
        let server = Server::start(Behaviour::Answer(answer.into_bytes()));
        wire.open(&server.ws());
        assert_eq!(wire.next(), Seen::Ended(WireEnd::Refused { status }));
    }
    assert_eq!(runtime.network().websockets_refused.get(), 5);
}

#[test]
fn a_server_that_says_nothing_is_waited_for_as_long_as_was_asked() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Silent));
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open_within(&server.ws(), 200);
    let (why, timed_out) = unreachable(wire.next());
    assert!(timed_out);
    let expected = format!("{}: the WebSocket was not opened in time", server.address);
    assert_eq!(why, expected);
    let url = format!("wss://{}/", server.address);
    wire.open_within(&url, 200);
    let (why, timed_out) = unreachable(wire.next());
    assert!(timed_out && why.ends_with("TLS was not agreed on in time"));
}

#[test]
fn what_is_no_websocket_server_is_said_to_be_none() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    for answer in ["220 mail.example SMTP\r\n\r\n", "HTTP/1.1 101 Sure\r\n\r\n"] {
        let server = Server::start(Behaviour::Answer(answer.into()));
        wire.open(&server.ws());
        let (why, timed_out) = unreachable(wire.next());
        assert!(
            !timed_out && why.ends_with("what answers there is no WebSocket server"),
            "{why}"
        );
    }
    let server = Server::start(Behaviour::HangUp);
    wire.open(&server.ws());
    let (why, timed_out) = unreachable(wire.next());
    assert!(
        !timed_out && why.starts_with(&server.address.to_string()),
        "{why}"
    );
}

#[test]
fn a_port_that_nobody_listens_on_is_said_at_once() {
    let runtime = runtime();
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address");
    drop(port);
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&format!("ws://{address}/?token=SECRET"));
    let (why, timed_out) = unreachable(wire.next());
    assert!(
        !timed_out && why.starts_with(&format!("{address}: no connection: ")),
        "{why}"
    );
}

#[test]
fn a_name_that_nobody_has_is_said() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open("ws://nobody.invalid/?token=SECRET");
    let (why, timed_out) = unreachable(wire.next());
    // A resolver that nobody answers takes its time.
    let resolved = if timed_out {
        "was not resolved"
    } else {
        "cannot be resolved"
    };
    assert!(
        why.starts_with(&format!("nobody.invalid:80: its name {resolved}")),
        "{why}"
    );
}

#[test]
fn an_address_that_is_none_is_said_without_quoting_it() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    for (url, said) in [
        ("http://example.com/SECRET", "'ws://' or 'wss://'"),
        ("ws:///SECRET", "no URL"),
        ("SECRET", "'ws://' or 'wss://'"),
        ("ws://exa mple/SECRET", "no URL"),
        ("", "no URL"),
    ] {
        wire.open(url);
        let (why, timed_out) = unreachable(wire.next());
        assert!(!timed_out && why.contains(said), "{why}");
    }
}

#[test]
fn a_name_with_several_addresses_is_reached_by_one_that_answers() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Echo));
    let (wire, _) = Script::drive(&runtime, reach());
    // Of IPv6 too on most machines, where nobody listens.
    wire.open(&format!("ws://localhost:{}/", server.address.port()));
    assert_eq!(wire.next(), Seen::Opened);
    if TcpListener::bind("[::1]:0").is_ok() {
        let server = Server::listening("[::1]:0", Behaviour::Echo, None);
        wire.open(&server.ws());
        assert_eq!(wire.next(), Seen::Opened);
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_server_that_closes_is_told_with_its_code() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    for (behaviour, code) in [
        (Behaviour::CloseWith(4_001), Some(4_001)),
        (Behaviour::CloseWith(1_000), Some(1_000)),
        (Behaviour::Break, None),
    ] {
        let server = Server::start(behaviour);
        wire.open(&server.ws());
        assert_eq!(wire.next(), Seen::Opened);
        wire.send(b"are you there?");
        assert_eq!(wire.next(), Seen::Ended(WireEnd::Lost { code }));
        if code.is_some() {
            wait_for("the close is answered", || {
                server.heard().last() == Some(&Heard::Close(code))
            });
        }
    }
    assert_eq!(runtime.network().websockets_lost.get(), 3);
}

#[test]
fn a_message_of_up_to_a_megabyte_is_taken_and_a_longer_one_ends_the_connection() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    let server = Server::start(Behaviour::Say(1 << 20));
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    assert_eq!(wire.next(), Seen::Received(vec![7; 1 << 20]));
    let server = Server::start(Behaviour::Say((1 << 20) + 1));
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    assert_eq!(wire.next(), Seen::Ended(WireEnd::Lost { code: None }));
}

#[test]
fn a_ping_of_the_server_is_answered() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Ping));
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    assert_eq!(wire.next(), Seen::Received(b"are you there".to_vec()));
}

#[test]
fn a_server_that_takes_nothing_is_given_up_before_it_costs_memory() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Deaf));
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    for _ in 0..100 {
        wire.send(&vec![1; 500_000]);
    }
    assert_eq!(wire.next(), Seen::Ended(WireEnd::Lost { code: None }));
    let network = runtime.network();
    assert_eq!(network.websockets_stalled.get(), 1);
    assert!(network.messages_out_waiting.get().1 <= 256);
    assert!(wire.seen().is_empty(), "what is sent to nobody is dropped");
}

#[test]
fn a_wire_is_advanced_when_its_time_has_come_and_when_it_is_woken() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    wait_for("it is looked at first of all", || {
        wire.advanced.load(Ordering::Acquire) > 0
    });
    for _ in 0..3 {
        let before = wire.advanced.load(Ordering::Acquire);
        wire.wake();
        wait_for("it is advanced", || {
            wire.advanced.load(Ordering::Acquire) > before
        });
    }
    let due_us = now_us() + 20_000;
    wire.due_at(due_us);
    wait_for("its time comes", || {
        wire.advanced_us.load(Ordering::Acquire) >= due_us
    });
    assert!(runtime.network().timer_late_us.get().0 >= 1);
    wire.due_at(u64::MAX);
    wire.end();
    wait_for("it is put away", || runtime.wires() == 0);
    // Whoever still holds what wakes it may go on.
    wire.wake();
}

#[test]
fn a_wire_that_is_always_due_is_advanced_a_thousand_times_a_second_at_most() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    wire.due_at(0);
    let (before, began_us) = (wire.advanced.load(Ordering::Acquire), now_us());
    std::thread::sleep(std::time::Duration::from_millis(300));
    let advanced = wire.advanced.load(Ordering::Acquire) - before;
    let elapsed_ms = (now_us() - began_us) / 1_000;
    assert!(
        advanced <= elapsed_ms + 50,
        "{advanced} times in {elapsed_ms} ms"
    );
}

#[test]
fn waking_a_wire_allocates_nothing() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    for _ in 0..1_000 {
        assert_eq!(calls_of(|| wire.waker().wake()), 0);
    }
}

#[test]
fn a_wire_that_never_runs_out_of_orders_or_is_always_due_does_not_hold_up_another() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Echo));
    let (busy, _) = Script::drive(&runtime, reach());
    let (wire, _) = Script::drive(&runtime, reach());
    busy.due_at(0);
    busy.orders_for_ever.store(true, Ordering::Release);
    busy.wake();
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    wire.send(b"hello");
    assert_eq!(wire.next(), Seen::Received(b"hello".to_vec()));
    busy.orders_for_ever.store(false, Ordering::Release);
}
