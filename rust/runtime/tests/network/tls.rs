//! TLS: who is trusted, and what is said of those who are not.

use super::support::{
    Authority, Behaviour, Script, Seen, Server, pem, reach, reach_trusting, runtime,
};
use beluga_engine::{Fetched, WireEnd};
use beluga_runtime::{Trust, TrustError};

#[test]
fn a_server_whose_certificate_was_signed_by_an_authority_of_ours_is_reached() {
    let (runtime, authority) = (runtime(), Authority::new());
    let server = Server::secure(Behaviour::Echo, &authority, "localhost");
    let (wire, _) = Script::drive(&runtime, reach_trusting(&authority));
    for _ in 0..2 {
        wire.open(&server.wss("localhost"));
        assert_eq!(wire.next(), Seen::Opened);
        wire.send(&[5; 50_000]);
        assert_eq!(wire.next(), Seen::Received(vec![5; 50_000]));
    }
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
    let server = Server::secure(Behaviour::Answer(answer), &authority, "localhost");
    wire.fetch(
        &format!("https://localhost:{}/", server.address.port()),
        "SECRET",
        30_000,
    );
    let Seen::Fetched(Fetched::Response { status, body, .. }) = wire.next() else {
        panic!("no answer");
    };
    assert_eq!((status, &body[..]), (200, &b"hi"[..]));
}

#[test]
fn a_certificate_of_an_address_is_good_for_that_address() {
    let (runtime, authority) = (runtime(), Authority::new());
    let server = Server::secure(Behaviour::Echo, &authority, "127.0.0.1");
    let (wire, _) = Script::drive(&runtime, reach_trusting(&authority));
    wire.open(&server.wss("127.0.0.1"));
    assert_eq!(wire.next(), Seen::Opened);
}

#[test]
fn a_server_that_cannot_be_trusted_is_not_spoken_to() {
    let (runtime, authority, other) = (runtime(), Authority::new(), Authority::new());
    let stranger = Server::secure(Behaviour::Echo, &authority, "localhost");
    let impostor = Server::secure(Behaviour::Echo, &other, "somebody.example");
    let (wire, _) = Script::drive(&runtime, reach_trusting(&other));
    for server in [&stranger, &impostor] {
        wire.open(&server.wss("localhost"));
        let Seen::Ended(WireEnd::Unreachable { why, timed_out }) = wire.next() else {
            panic!("it was reached");
        };
        let said = format!("localhost:{}: TLS failed: ", server.address.port());
        assert!(
            !timed_out && why.starts_with(&said) && !why.contains("SECRET"),
            "{why}"
        );
        assert!(server.requests().is_empty());
    }
    // The system's own certificates know none of them.
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&impostor.wss("localhost"));
    assert!(matches!(
        wire.next(),
        Seen::Ended(WireEnd::Unreachable { .. })
    ));
}

#[test]
fn a_server_that_speaks_no_tls_is_said_to_fail_at_that() {
    let (runtime, authority) = (runtime(), Authority::new());
    let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    let server = Server::start(Behaviour::Answer(answer));
    let (wire, _) = Script::drive(&runtime, reach_trusting(&authority));
    wire.open_within(&server.wss("localhost"), 2_000);
    let Seen::Ended(WireEnd::Unreachable { why, .. }) = wire.next() else {
        panic!("it was reached");
    };
    assert!(why.contains("TLS"), "{why}");
}

#[test]
fn every_certificate_of_a_file_is_trusted() {
    let (runtime, one, two) = (runtime(), Authority::new(), Authority::new());
    let text = [b"a comment\n".to_vec(), one.pem(), two.pem()].concat();
    let mut reach = reach();
    reach.trust = Trust::with_pem(&text).expect("two certificates");
    let (wire, _) = Script::drive(&runtime, reach);
    let servers =
        [one, two].map(|authority| Server::secure(Behaviour::Echo, &authority, "localhost"));
    for server in &servers {
        wire.open(&server.wss("localhost"));
        assert_eq!(wire.next(), Seen::Opened);
    }
}

#[test]
fn a_text_without_a_certificate_says_what_is_allowed() {
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for text in ["", "no certificate", key] {
        let refused = Trust::with_pem(text.as_bytes()).expect_err("no certificate");
        assert_eq!(refused, TrustError::Empty);
        assert!(refused.to_string().contains("BEGIN CERTIFICATE"));
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_named() {
    let text = [Authority::new().pem(), pem(&[0; 3]).into_bytes()].concat();
    let refused = Trust::with_pem(&text).expect_err("the second is broken");
    assert!(
        matches!(refused, TrustError::Unreadable { number: 2, .. }),
        "{refused}"
    );
    let cut = "-----BEGIN CERTIFICATE-----\nA";
    assert!(Trust::with_pem(cut.as_bytes()).is_err());
}
