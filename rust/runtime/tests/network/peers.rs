//! Peers: from the signalling thread to their shard.

use super::support::{Behaviour, Script, ScriptedPeer, Seen, Server, reach, runtime, wait_for};
use beluga_engine::Carrier;
use beluga_runtime::{Runtime, now_us};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
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

/// The other end of a connection that a peer opens.
fn accept(listener: &TcpListener) -> TcpStream {
    let (far, _) = listener.accept().expect("a connection");
    far.set_read_timeout(Some(super::support::HANG))
        .expect("a timeout");
    far
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
    }
}

/// Waits until it sleeps.
fn driven_patiently(wire: &Script) -> ScriptedPeer {
    let peer = ScriptedPeer::default();
    peer.0.patient.store(true, Ordering::Release);
    wire.peer(peer.peer());
    wait_for("it is driven", || {
        peer.0.advanced.load(Ordering::Acquire) > 0
    });
    peer
}

#[test]
fn what_arrives_wakes_a_peer_that_is_not_settled() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    let peer = driven_patiently(&wire);
    let (far, remote) = far();
    peer.send(Carrier::Udp, remote, b"hello");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let tcp = listener.local_addr().expect("an address");
    peer.send(Carrier::Tcp, tcp, b"hello");
    // From here on nobody but the sockets wakes it.
    wire.wake();
    let mut stream = accept(&listener);
    let (_, from) = far.recv_from(&mut [0; 10]).expect("a datagram");
    let mut hello = [0; 7];
    stream
        .read_exact(&mut hello)
        .expect("sent when it was open");
    assert_eq!(hello, *b"\0\x05hello");
    for _ in 0..50 {
        far.send_to(b"ping", from).expect("a send");
        assert_eq!(far.recv(&mut [0; 10]).expect("an answer"), 4);
        stream.write_all(b"\0\x04ping").expect("a write");
        let mut pong = [0; 6];
        stream.read_exact(&mut pong).expect("an answer");
    }
    assert_eq!(peer.taken().len(), 100);
}

#[test]
fn room_in_a_connection_wakes_a_peer_that_is_not_settled() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    let peer = driven_patiently(&wire);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let tcp = listener.local_addr().expect("an address");
    // More than the buffers of the system, and up to what we let wait.
    let network = runtime.network();
    let mut accepted = None;
    while network.tcp_dropped.get() == 0 {
        for _ in 0..50 {
            peer.send(Carrier::Tcp, tcp, &[7; 1_000]);
        }
        let before = peer.0.advanced.load(Ordering::Acquire);
        wire.wake();
        wait_for("it has sent", || {
            peer.0.advanced.load(Ordering::Acquire) > before
        });
        accepted.get_or_insert_with(|| accept(&listener));
    }
    let mut stream = accepted.expect("a connection");
    // The last of it leaves when the far side has made room.
    let mut left = network.datagrams_out.get() * 1_002;
    let mut buffer = [0; 65_536];
    while left > 0 {
        left -= stream.read(&mut buffer).expect("what was sent") as u64;
    }
}

#[test]
fn a_peer_that_waits_costs_no_more_than_its_timer() {
    let runtime = runtime();
    let (wire, _server) = connected(&runtime);
    let peer = driven(&wire);
    let (far, remote) = far();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    peer.send(Carrier::Udp, remote, b"hello");
    peer.send(
        Carrier::Tcp,
        listener.local_addr().expect("an address"),
        b"hello",
    );
    let stream = accept(&listener);
    let (_, from) = far.recv_from(&mut [0; 10]).expect("a datagram");
    far.send_to(b"ping", from).expect("a send");
    far.recv(&mut [0; 10]).expect("an answer");
    for hung_up in [false, true] {
        if hung_up {
            stream.shutdown(std::net::Shutdown::Both).expect("an end");
            wait_for("it is noticed", || runtime.network().tcp_failed.get() == 1);
        }
        let (before, began_us) = (peer.0.advanced.load(Ordering::Acquire), now_us());
        std::thread::sleep(Duration::from_millis(300));
        let driven = peer.0.advanced.load(Ordering::Acquire) - before;
        let elapsed_ms = (now_us() - began_us) / 1_000;
        assert!(
            driven <= elapsed_ms + 50,
            "{driven} times in {elapsed_ms} ms"
        );
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
    let mut far = accept(&listener);
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
