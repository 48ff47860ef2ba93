//! Wires: what they are told of their WebSockets.

use super::support::{Behaviour, Script, Seen, Server, reach, runtime};
use beluga_engine::{WireEnd, WireOrder};

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
    wire.order(WireOrder::Close);
    wire.open(&server.ws());
    // Nothing is told of a close that was asked for.
    assert_eq!(wire.next(), Seen::Opened);
    assert_eq!(network.reconnects.get(), 1);
    assert_eq!(network.websockets_lost.get(), 0);
}

#[test]
fn a_server_that_refuses_is_told_with_its_status() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    for status in [401, 404, 500] {
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 5\r\n\r\nsorry");
        let server = Server::start(Behaviour::Answer(answer.into_bytes()));
        wire.open(&server.ws());
        assert_eq!(wire.next(), Seen::Ended(WireEnd::Refused { status }));
    }
    assert_eq!(runtime.network().websockets_refused.get(), 3);
}
