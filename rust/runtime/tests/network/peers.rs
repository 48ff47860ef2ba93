//! Peers: from the signalling thread to their shard.

use super::support::{Behaviour, Script, ScriptedPeer, Seen, Server, reach, runtime, wait_for};
use beluga_engine::Carrier;
use beluga_runtime::{Runtime, now_us};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A wire whose server is on this machine, so that its peers are too.
fn connected(runtime: &Runtime) -> (Arc<Script>, Server) {
    let server = Server::start(Behaviour::Echo);
    let (wire, _) = Script::drive(runtime, reach());
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    (wire, server)
}

fn driven(wire: &Script) -> ScriptedPeer {
    let peer = ScriptedPeer::default();
    wire.peer(peer.peer());
    wait_for("it is driven", || {
        peer.0.advanced.load(Ordering::Acquire) > 0
    });
    peer
}

fn far() -> (UdpSocket, SocketAddr) {
    let far = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    far.set_read_timeout(Some(super::support::HANG))
        .expect("a timeout");
    let address = far.local_addr().expect("an address");
    (far, address)
}

fn wait_until_freed(peer: &ScriptedPeer) {
    wait_for("it is freed", || peer.0.freed.load(Ordering::Acquire) == 1);
}

#[test]
fn a_peer_that_has_settled_moves_to_its_shard_and_goes_on() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    let (far, remote) = far();
    let peer = driven(&wire);
    assert!(peer.send(Carrier::Udp, remote, b"hello"));
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
    let network = runtime.network();
    assert_eq!(network.peers_handed_over.get(), 1);
    assert_eq!(network.peers_unsettled.get(), (0, 1));
    let shard = runtime.counters().next().expect("a shard");
    assert_eq!(shard.peers.get(), (1, 1));
    peer.end();
    // By the signalling thread: nobody opens a call.
    wait_until_freed(&peer);
    assert_eq!(shard.peers.get(), (0, 1));
}

#[test]
fn a_peer_that_never_settles_stays_where_it_is_until_it_is_over() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    let peer = driven(&wire);
    let (far, remote) = far();
    peer.send(Carrier::Udp, remote, b"hello");
    let (_, from) = far.recv_from(&mut [0; 10]).expect("a datagram");
    for _ in 0..20 {
        far.send_to(b"ping", from).expect("a send");
        far.recv(&mut [0; 10]).expect("an answer");
    }
    assert!(!peer.was_driven_on("beluga-shard"));
    let shard = runtime.counters().next().expect("a shard");
    assert_eq!(shard.ticks.get(), 0, "a shard without anything sleeps");
    peer.end();
    wait_until_freed(&peer);
    assert_eq!(runtime.network().peers_unsettled.get().0, 0);
}

#[test]
fn what_arrives_while_a_peer_moves_is_not_lost() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    for _ in 0..10 {
        let peer = driven(&wire);
        let (far, remote) = far();
        peer.send(Carrier::Udp, remote, b"hello");
        let (_, from) = far.recv_from(&mut [0; 10]).expect("a datagram");
        for number in 0..100u8 {
            if number == 30 {
                peer.settle();
            }
            far.send_to(&[number], from).expect("a send");
            if number % 8 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        wait_for("all came", || peer.taken().len() == 100);
        let came: Vec<u8> = peer.taken().iter().map(|taken| taken.payload[0]).collect();
        assert_eq!(came, (0..100).collect::<Vec<u8>>());
        wait_for("it has moved", || peer.was_driven_on("beluga-shard"));
        peer.end();
        wait_until_freed(&peer);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_datagram_is_as_old_as_it_is_and_not_as_the_tick_that_reads_it() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    let peer = driven(&wire);
    let (far, remote) = far();
    peer.send(Carrier::Udp, remote, b"hello");
    let (_, from) = far.recv_from(&mut [0; 10]).expect("a datagram");
    peer.settle();
    wait_for("it is on its shard", || peer.was_driven_on("beluga-shard"));
    for number in 0..20usize {
        let before_us = now_us();
        far.send_to(b"x", from).expect("a send");
        let after_us = now_us();
        wait_for("it came", || peer.taken().len() > number);
        let taken = &peer.taken()[number];
        // The wall clock and ours are read one after the other.
        let slack_us = 2_000;
        assert!(
            (before_us - slack_us..=after_us + slack_us).contains(&taken.arrival_us),
            "{} is not from {before_us} to {after_us}",
            taken.arrival_us
        );
    }
}

#[test]
fn a_connection_over_tcp_moves_with_its_peer() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    let peer = driven(&wire);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let remote = listener.local_addr().expect("an address");
    assert!(peer.send(Carrier::Tcp, remote, b"hello"));
    let (mut far, _) = listener.accept().expect("a connection");
    let mut talk = |say: &[u8], hear: &[u8]| {
        if !say.is_empty() {
            let length = (say.len() as u16).to_be_bytes();
            far.write_all(&[&length[..], say].concat())
                .expect("a write");
        }
        let mut heard = vec![0; hear.len() + 2];
        far.read_exact(&mut heard).expect("a frame");
        assert_eq!(&heard[2..], hear);
    };
    talk(b"", b"hello");
    talk(b"ping 1", b"pong 1");
    peer.settle();
    wait_for("it is on its shard", || peer.was_driven_on("beluga-shard"));
    talk(b"ping 2", b"pong 2");
    let taken = peer.taken();
    assert!(taken.iter().all(|taken| taken.carrier == Carrier::Tcp
        && taken.remote == remote
        && taken.local.port() == 9));
    assert_eq!(runtime.network().tcp_opened.get(), 1);
    peer.end();
    wait_until_freed(&peer);
}

#[test]
fn a_peer_is_reached_at_the_address_from_which_its_server_is_reached() {
    let runtime = runtime();
    let (wire, server) = connected(&runtime);
    let peer = driven(&wire);
    let bound = peer.0.bound.lock().expect("addresses").clone();
    assert_eq!(bound[0].0, Carrier::Udp);
    assert_eq!(bound[0].1.ip(), server.address.ip());
    let (udp, tcp): (Vec<_>, Vec<_>) = bound
        .into_iter()
        .partition(|(carrier, _)| *carrier == Carrier::Udp);
    assert!(udp.iter().all(|(_, local)| local.port() > 0));
    let ips = |bound: &[(Carrier, SocketAddr)]| -> Vec<_> {
        bound.iter().map(|(_, local)| local.ip()).collect()
    };
    assert_eq!(ips(&udp), ips(&tcp), "connections are opened from each");
    assert!(tcp.iter().all(|(_, local)| local.port() == 9));
}

#[test]
fn a_peer_that_panics_ends_alone_wherever_it_is_driven() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    for settled in [false, true] {
        let (culprit, healthy) = (driven(&wire), driven(&wire));
        if settled {
            for peer in [&culprit, &healthy] {
                peer.settle();
                wait_for("it moves", || peer.was_driven_on("beluga-shard"));
            }
        }
        culprit.panic();
        wait_for("it is told", || culprit.0.failed.load(Ordering::Acquire));
        wait_until_freed(&culprit);
        let before = healthy.0.advanced.load(Ordering::Acquire);
        wait_for("the other goes on", || {
            healthy.0.advanced.load(Ordering::Acquire) > before + 2
        });
        wire.send(b"and the wire?");
        assert_eq!(wire.next(), Seen::Received(b"and the wire?".to_vec()));
        healthy.end();
        wait_until_freed(&healthy);
    }
    assert_eq!(runtime.network().peers_failed.get(), 1);
    let shard = runtime.counters().next().expect("a shard");
    assert_eq!(shard.peers_failed.get(), 1);
    assert!(runtime.is_healthy());
}

#[test]
fn a_peer_for_which_its_shard_has_no_place_waits_for_one_and_works_on() {
    // One session: two peers.
    let runtime = Runtime::start(1, 1, None).expect("a thread");
    let (wire, _server) = connected(&runtime);
    let peers: Vec<_> = (0..3).map(|_| driven(&wire)).collect();
    for peer in &peers[..2] {
        peer.settle();
        wait_for("it moves", || peer.was_driven_on("beluga-shard"));
    }
    peers[2].settle();
    wait_for("there is no place", || {
        runtime.network().peers_kept_back.get() > 2
    });
    let before = peers[2].0.advanced.load(Ordering::Acquire);
    wait_for("it works on", || {
        peers[2].0.advanced.load(Ordering::Acquire) > before
    });
    assert!(!peers[2].was_driven_on("beluga-shard"));
    peers[0].end();
    wait_for("it moves", || peers[2].was_driven_on("beluga-shard"));
}

#[test]
fn a_wire_that_collects_peers_is_stopped_at_eight() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    let _eight: Vec<_> = (0..8).map(|_| driven(&wire)).collect();
    let ninth = ScriptedPeer::default();
    wire.peer(ninth.peer());
    wait_until_freed(&ninth);
    assert!(ninth.0.failed.load(Ordering::Acquire));
    assert_eq!(runtime.network().links_refused.get(), 1);
}
