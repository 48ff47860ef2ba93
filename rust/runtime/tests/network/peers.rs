//! Peers: from the signalling thread to their shard.

use super::support::{Behaviour, Script, ScriptedPeer, Seen, Server, reach, runtime, wait_for};
use beluga_engine::Carrier;
use std::net::UdpSocket;

#[test]
fn a_peer_that_has_settled_moves_to_its_shard_and_goes_on() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Echo));
    let far = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let remote = far.local_addr().expect("an address");
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    let peer = ScriptedPeer::default();
    wire.peer(peer.peer());
    wait_for("it has an address", || {
        peer.send(Carrier::Udp, remote, b"hello")
    });
    let mut buffer = [0; 100];
    let (len, from) = far.recv_from(&mut buffer).expect("a datagram");
    assert_eq!(&buffer[..len], b"hello");
    far.send_to(b"ping 1", from).expect("a send");
    let len = far.recv(&mut buffer).expect("an answer");
    assert_eq!(&buffer[..len], b"pong 1");
    assert!(peer.was_driven_on("beluga-signal") && !peer.was_driven_on("beluga-shard"));
    peer.settle();
    wait_for("it is on its shard", || peer.was_driven_on("beluga-shard"));
    far.send_to(b"ping 2", from).expect("a send");
    let len = far.recv(&mut buffer).expect("an answer");
    assert_eq!(&buffer[..len], b"pong 2");
    let taken = peer.taken();
    assert_eq!(taken[0].thread, "beluga-signal");
    assert_eq!(taken[1].thread, "beluga-shard-0");
    assert!(
        taken
            .iter()
            .all(|taken| taken.remote == remote && taken.local == from)
    );
    assert_eq!(runtime.network().peers_handed_over.get(), 1);
    peer.end();
    wait_for("it is freed", || {
        peer.0.freed.load(std::sync::atomic::Ordering::Acquire) == 1
    });
}
