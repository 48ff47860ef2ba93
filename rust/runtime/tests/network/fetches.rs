//! HTTP requests of wires.

use super::support::{Behaviour, Script, Seen, Server, reach, runtime};
use beluga_engine::Fetched;

fn answer(text: &str) -> Server {
    Server::start(Behaviour::Answer(text.as_bytes().to_vec()))
}

#[track_caller]
fn failed(seen: Seen) -> String {
    let Seen::Fetched(Fetched::Failed { why }) = seen else {
        panic!("{seen:?} is not what was expected");
    };
    assert!(!why.contains("SECRET"), "{why}");
    why
}

#[test]
fn an_answer_is_told_with_its_status_its_age_and_its_body() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    let server = answer(
        "HTTP/1.1 200 OK\r\nCache-Control: private, max-age=60\r\nContent-Length: 5\r\n\r\nhello",
    );
    wire.fetch(&server.http(), "SECRET-TOKEN", 30_000);
    let expected = Fetched::Response {
        status: 200,
        max_age_s: Some(60),
        body: b"hello".to_vec(),
    };
    assert_eq!(wire.next(), Seen::Fetched(expected));
    let request = server.requests().remove(0);
    assert!(
        request.starts_with("GET /settings?q=SECRET HTTP/1.1\r\n"),
        "{request}"
    );
    for header in [
        format!("host: {}", server.address),
        "user-agent: beluga-test/1".to_owned(),
        "authorization: Bearer SECRET-TOKEN".to_owned(),
    ] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{request}");
    }
}

#[test]
fn an_answer_that_is_no_success_is_one_all_the_same() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    let chunked =
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n";
    let server = answer(chunked);
    wire.fetch(&server.http(), "", 30_000);
    let expected = Fetched::Response {
        status: 404,
        max_age_s: None,
        body: b"no!".to_vec(),
    };
    assert_eq!(wire.next(), Seen::Fetched(expected));
}

#[test]
fn no_more_than_64_kilobytes_of_a_body_are_kept() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    let server = answer(&format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}",
        "x".repeat(300_000)
    ));
    wire.fetch(&server.http(), "t", 30_000);
    let Seen::Fetched(Fetched::Response { body, .. }) = wire.next() else {
        panic!("no answer");
    };
    assert_eq!(body.len(), 64 << 10);
}

#[test]
fn what_fails_is_said_without_secrets() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    let silent = Server::start(Behaviour::Silent);
    wire.fetch(&silent.http(), "SECRET", 200);
    let why = failed(wire.next());
    assert_eq!(
        why,
        format!("{}: there was no answer in time", silent.address)
    );
    let broken = Server::start(Behaviour::HangUp);
    wire.fetch(&broken.http(), "SECRET", 30_000);
    assert!(failed(wire.next()).starts_with(&format!("{}: no HTTP answer", broken.address)));
    let rubbish = answer("SECRET\r\n\r\n");
    wire.fetch(&rubbish.http(), "SECRET", 30_000);
    failed(wire.next());
    wire.fetch(&silent.http(), "SECRET\nX-Header: 1", 30_000);
    assert!(failed(wire.next()).contains("token"));
    wire.fetch(&silent.ws(), "SECRET", 30_000);
    assert!(failed(wire.next()).contains("'https://'"));
}

#[test]
fn a_second_request_takes_the_place_of_the_first_and_the_websocket_goes_on() {
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    let echo = Server::start(Behaviour::Echo);
    wire.open(&echo.ws());
    assert_eq!(wire.next(), Seen::Opened);
    let silent = Server::start(Behaviour::Silent);
    wire.fetch(&silent.http(), "", 60_000);
    wire.send(b"meanwhile");
    assert_eq!(wire.next(), Seen::Received(b"meanwhile".to_vec()));
    let server = answer("HTTP/1.1 204 No Content\r\n\r\n");
    wire.fetch(&server.http(), "", 30_000);
    let expected = Fetched::Response {
        status: 204,
        max_age_s: None,
        body: Vec::new(),
    };
    assert_eq!(wire.next(), Seen::Fetched(expected));
    wire.send(b"afterwards");
    assert_eq!(wire.next(), Seen::Received(b"afterwards".to_vec()));
}
