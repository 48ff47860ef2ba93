//! Beginning and end: places of wires, panics, leaving.

use super::support::{
    Behaviour, Heard, Script, ScriptedPeer, Seen, Server, reach, runtime, wait_for,
};
use beluga_engine::{
    Bells, Command, InterruptionAction, InterruptionPolicy, Session, SessionConfig, SessionHandles,
    TurnConfig, Vad, WireOrder, pcm_in, pcm_out, session,
};
use beluga_runtime::{DriveError, EventFd, OpenError, Runtime};
use beluga_vad::SpeechConfig;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn new_session() -> (Box<Session>, SessionHandles) {
    let policy = InterruptionPolicy {
        allow: true,
        min_speech: 1_920,
        action: InterruptionAction::Pause,
    };
    let config = SessionConfig {
        vad: Vad::Energy,
        speech: SpeechConfig::default(),
        turn: TurnConfig {
            min_delay: 4_800,
            pre_roll: 8_000,
            discard_audio_if_uninterruptible: true,
            false_interruption_timeout: None,
            away_after: None,
        },
        thinking_policy: policy,
        vad_phase_samples: 0,
    };
    let (_, input) = pcm_in(16_000).expect("a rate");
    let (output, ring) = pcm_out(16_000);
    let bells = Bells::new(Box::new(EventFd::new().expect("a descriptor")));
    session(
        config,
        Box::new(input),
        Box::new(output),
        ring,
        bells.bell(),
    )
    .expect("a configuration")
}

fn ticks(runtime: &Runtime) -> Vec<u64> {
    runtime.counters().map(|shard| shard.ticks.get()).collect()
}

#[test]
fn wires_are_spread_over_the_shards_and_sessions_are_opened_on_the_shard_of_their_wire() {
    let runtime = Runtime::start(2, 8, None).expect("threads");
    let (_one, first) = Script::drive(&runtime, reach());
    let (_two, second) = Script::drive(&runtime, reach());
    assert_ne!(first, second);
    assert_eq!(runtime.wires(), 2);
    let mut handles = Vec::new();
    for _ in 0..3 {
        let (session, held) = new_session();
        runtime.open_at(second, session).expect("room");
        handles.push(held);
    }
    wait_for("they are served", || {
        handles
            .iter()
            .all(|held| held.shared.counters.ticks.get() > 3)
    });
    let served = ticks(&runtime);
    assert_eq!(served.iter().filter(|&&ticks| ticks > 0).count(), 1);
    // The next wire goes to the other one, which has less to do.
    let (_three, third) = Script::drive(&runtime, reach());
    assert_eq!(third, first);
    for held in &mut handles {
        held.commands.push(Command::Close).expect("room");
    }
    wait_for("they are closed", || runtime.sessions() == 0);
}

#[test]
fn no_more_wires_are_driven_than_sessions_are_allowed_and_a_place_is_given_back() {
    let runtime = Runtime::start(2, 1, None).expect("threads");
    let (one, _) = Script::drive(&runtime, reach());
    let (_two, place) = Script::drive(&runtime, reach());
    let refused = runtime.drive(reach(), |_| panic!("it is not made"));
    assert!(matches!(refused, Err(DriveError::Full { wires: 2 })));
    one.end();
    wait_for("there is a place", || runtime.wires() == 1);
    let (_three, _) = Script::drive(&runtime, reach());
    let (session, _handles) = new_session();
    runtime.open_at(place, session).expect("room");
    assert!(matches!(
        runtime.open_at(place, new_session().0),
        Err(OpenError::Full { sessions: 1 })
    ));
}

#[test]
fn a_wire_that_panics_is_told_so_and_no_other_is_disturbed() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Echo));
    let (healthy, _) = Script::drive(&runtime, reach());
    healthy.open(&server.ws());
    assert_eq!(healthy.next(), Seen::Opened);
    for fails_badly in [false, true] {
        let (broken, _) = Script::drive(&runtime, reach());
        broken.open(&server.ws());
        assert_eq!(broken.next(), Seen::Opened);
        broken.fails_badly.store(fails_badly, Ordering::Release);
        broken.panic();
        assert_eq!(broken.next(), Seen::Failed);
        wait_for("it is put away", || runtime.wires() == 1);
        assert!(broken.seen().is_empty());
    }
    healthy.send(b"hello");
    assert_eq!(healthy.next(), Seen::Received(b"hello".to_vec()));
    assert_eq!(runtime.network().wires_failed.get(), 2);
    assert!(runtime.is_healthy());
    // Their WebSockets were closed in an orderly way.
    wait_for("the server has heard it", || {
        let closed = |heard: &&Heard| matches!(heard, Heard::Close(_));
        server.heard().iter().filter(closed).count() == 2
    });
}

#[test]
fn peers_of_a_wire_that_is_over_have_a_moment_to_end_and_are_dropped_then() {
    let (runtime, server) = (runtime(), Server::start(Behaviour::Echo));
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    let (polite, stubborn) = (ScriptedPeer::default(), ScriptedPeer::default());
    for peer in [&polite, &stubborn] {
        wire.peer(peer.peer());
        wait_for("it is driven", || {
            peer.0.advanced.load(Ordering::Acquire) > 0
        });
    }
    polite.end();
    wire.end();
    for peer in [&polite, &stubborn] {
        wait_for("it is dropped", || {
            peer.0.freed.load(Ordering::Acquire) == 1
        });
    }
    assert_eq!(runtime.wires(), 0);
}

#[test]
fn stopping_lets_every_wire_leave_and_sends_what_it_orders() {
    let server = Server::start(Behaviour::Echo);
    let runtime = Runtime::start(2, 16, None).expect("threads");
    let wires: Vec<_> = (0..10)
        .map(|_| {
            let (wire, _) = Script::drive(&runtime, reach());
            wire.open(&server.ws());
            assert_eq!(wire.next(), Seen::Opened);
            let goodbye = WireOrder::Send(b"goodbye".to_vec());
            wire.on_leave([goodbye, WireOrder::Close]);
            wire
        })
        .collect();
    runtime.stop();
    for wire in wires {
        assert_eq!(wire.next(), Seen::Left);
        assert!(wire.seen().is_empty());
    }
    wait_for("the server has heard it", || server.heard().len() == 20);
    let heard = server.heard();
    let count = |wanted: Heard| heard.iter().filter(|&heard| *heard == wanted).count();
    assert_eq!(count(Heard::Message(b"goodbye".to_vec())), 10);
    assert_eq!(count(Heard::Close(Some(1_000))), 10);
}

#[test]
fn wires_that_do_not_leave_are_not_waited_for_without_end() {
    let silent = Server::start(Behaviour::Silent);
    let deaf = Server::start(Behaviour::Deaf);
    let runtime = Runtime::start(1, 16, None).expect("a thread");
    let peer = ScriptedPeer::default();
    for server in [&silent, &deaf] {
        let (wire, _) = Script::drive(&runtime, reach());
        wire.stays.store(true, Ordering::Release);
        wire.open(&server.ws());
        wire.peer(peer.peer());
    }
    let (resolving, _) = Script::drive(&runtime, reach());
    resolving.open("ws://nobody.invalid/");
    wait_for("they are driven", || {
        peer.0.advanced.load(Ordering::Acquire) > 1
    });
    let began = Instant::now();
    runtime.stop();
    // 300 ms, on a machine that may do a hundred other things.
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(peer.0.freed.load(Ordering::Acquire), 2, "with their peers");
}

#[test]
fn a_peer_on_its_shard_says_goodbye_before_the_shard_ends() {
    let server = Server::start(Behaviour::Echo);
    let runtime = runtime();
    let (wire, _) = Script::drive(&runtime, reach());
    wire.open(&server.ws());
    assert_eq!(wire.next(), Seen::Opened);
    let peer = ScriptedPeer::default();
    wire.peer(peer.peer());
    peer.settle();
    wait_for("it is on its shard", || peer.was_driven_on("beluga-shard"));
    let far = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let remote = far.local_addr().expect("an address");
    far.set_read_timeout(Some(super::support::HANG))
        .expect("a timeout");
    peer.send(beluga_engine::Carrier::Udp, remote, b"goodbye");
    runtime.stop();
    assert_eq!(far.recv(&mut [0; 10]).expect("a datagram"), 7);
    assert_eq!(peer.0.freed.load(Ordering::Acquire), 1);
}

#[test]
fn a_runtime_that_drives_no_wire_has_no_signalling_thread() {
    let runtime = runtime();
    let (session, _handles) = new_session();
    runtime.open(session).expect("room");
    let readings = runtime.network().snapshot();
    assert!(
        readings.iter().all(|(_, value)| *value == 0),
        "{readings:?}"
    );
    let names: Vec<_> = readings.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "wires",
        "wires_max",
        "datagrams_in",
        "messages_out_waiting_max",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}
