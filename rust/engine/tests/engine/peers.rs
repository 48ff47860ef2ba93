//! Peers beside the sessions of a shard: when they are driven, what that counts for, how they end.

use crate::common::call::{UNINTERRUPTIBLE, config};
use crate::common::relay::{Broken, Relay, RelayLink, RelayState};
use beluga_codec::MuLaw;
use beluga_engine::{
    Bells, Connection, DelayBounds, OverloadStep, Retired, SessionHandles, Shard, Urgency, Vad,
    Wake, packet_in, packet_out, session,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

fn connect(shard: &mut Shard, relay: Relay) -> Arc<RelayState> {
    let state = relay.state.clone();
    let link = Box::new(RelayLink(state.clone()));
    let connection = Connection::new(Box::new(relay), link).boxed();
    shard.connect(connection).expect("room");
    state
}

fn relay() -> Relay {
    Relay::new(&Arc::default())
}

/// A call whose packets come from and go to a peer.
fn call(shard: &mut Shard) -> (Arc<RelayState>, SessionHandles) {
    let (writer, input) =
        packet_in(Box::new(MuLaw::new()), 8_000, DelayBounds::default()).expect("a codec");
    let (reader, output, ring) = packet_out(Box::new(MuLaw::new()), 8_000, 0);
    let bell = Bells::new(Box::new(Nobody)).bell();
    let (session, handles) = session(
        config(Vad::Energy),
        Box::new(input),
        Box::new(output),
        ring,
        bell,
    )
    .expect("a configuration");
    shard.add(session).expect("room");
    let mut relay = relay();
    relay.to_session = Some(writer);
    relay.from_session = Some(reader);
    (connect(shard, relay), handles)
}

#[test]
fn a_packet_is_heard_in_the_tick_that_reads_it_and_a_packet_leaves_in_the_tick_that_makes_it() {
    let mut shard = Shard::new(None, 1);
    let (peer, mut handles) = call(&mut shard);
    handles.mouth.begin(UNINTERRUPTIBLE).expect("none is open");
    handles.mouth.write(&[9_000; 8_000], 8_000).expect("a rate");
    handles.mouth.end().expect("room");
    for packet in 0..50u64 {
        // Three milliseconds before a tick.
        let arrival_us = (packet * 2 + 1) * 10_000 - 3_000;
        let mut incoming = peer.incoming.lock().expect("datagrams");
        incoming.push_back((arrival_us, vec![0x80; 160]));
    }
    for tick in 1..=100u64 {
        shard.tick(tick * 10_000, &mut |_| panic!("nothing is over"));
        let counters = &handles.shared.counters;
        let (count, sum, max) = counters.frame_age_in_us.get();
        assert_eq!((count, sum), (tick.div_ceil(2), tick.div_ceil(2) * 3_000));
        assert_eq!(max, 3_000, "from its arrival, not from when it was read");
        let sent = peer.sent.lock().expect("datagrams");
        // Frames of 20 ms, the first one whole after the second tick at the latest.
        assert!((tick / 2..=tick.div_ceil(2)).contains(&(sent.len() as u64)));
        assert!(sent.iter().all(|&bytes| bytes == 160));
    }
    let mut ear = [0; 1_600];
    let read = handles.shared.ear.read(14_000, &mut ear);
    assert_eq!(read.len, 1_600);
    assert!(ear.iter().all(|&sample| sample != 0), "the caller is heard");
}

#[test]
fn what_peers_work_counts_for_the_ladder_and_from_its_fourth_step_on_data_waits() {
    #[derive(Debug)]
    struct Costly(RelayLink, Arc<AtomicU64>, Arc<AtomicU64>);
    impl beluga_engine::Link for Costly {
        fn receive(&mut self, now_us: u64, sink: &mut dyn FnMut(u64, beluga_engine::Datagram<'_>)) {
            self.1
                .fetch_add(self.2.load(Ordering::Relaxed), Ordering::Relaxed);
            self.0.receive(now_us, sink);
        }

        fn transmit(&mut self, datagram: beluga_engine::Datagram<'_>) {
            self.0.transmit(datagram);
        }
    }

    let mut shard = Shard::new(None, 1);
    let (clock, cost_us) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(100)));
    let relay = relay();
    let peer = relay.state.clone();
    let link = Costly(RelayLink(peer.clone()), clock.clone(), cost_us.clone());
    let connection = Connection::new(Box::new(relay), Box::new(link)).boxed();
    shard.connect(connection).expect("room");
    let mut run = |ticks: u64, due_us: &mut u64| {
        for _ in 0..ticks {
            *due_us += 10_000;
            clock.fetch_max(*due_us, Ordering::Relaxed);
            let before = shard.counters().step();
            let now_us = || clock.load(Ordering::Relaxed);
            shard.tick_owed(*due_us, &now_us, &mut |_| {});
            let urgency = peer.urgencies.lock().expect("urgencies").last().copied();
            let waits = before == OverloadStep::DataWaits;
            assert_eq!(urgency == Some(Urgency::SoundOnly), waits);
        }
        shard.counters().step()
    };
    let mut due_us = 0;
    assert_eq!(run(100, &mut due_us), OverloadStep::None);
    cost_us.store(8_000, Ordering::Relaxed);
    assert_eq!(run(100, &mut due_us), OverloadStep::NoNewCalls);
    cost_us.store(15_000, Ordering::Relaxed);
    assert_eq!(run(200, &mut due_us), OverloadStep::DataWaits);
    cost_us.store(100, Ordering::Relaxed);
    assert_eq!(run(1_000, &mut due_us), OverloadStep::None);
    assert_eq!(shard.counters().entered(), [1, 1, 1, 1]);
    let urgencies = peer.urgencies.lock().expect("urgencies");
    assert!(urgencies.contains(&Urgency::SoundOnly));
    assert_eq!(urgencies.len(), 1_400, "driven at every tick");
}

#[test]
fn a_peer_that_panics_ends_alone() {
    for broken in [Broken::Receive, Broken::Advance, Broken::Send] {
        for fails_badly in [false, true] {
            let mut shard = Shard::new(None, 2);
            let (first, handles) = call(&mut shard);
            let culprit = connect(&mut shard, relay());
            let last = connect(&mut shard, relay());
            culprit.fails_badly.store(fails_badly, Ordering::Relaxed);
            *culprit.broken.lock().expect("a state") = Some(broken);
            let mut incoming = culprit.incoming.lock().expect("datagrams");
            incoming.push_back((50_000, vec![1]));
            drop(incoming);
            let mut retired = Vec::new();
            for tick in 1..=20u64 {
                shard.tick(tick * 10_000, &mut |over| retired.push(over));
            }
            assert!(matches!(retired[..], [Retired::Connection(_)]));
            assert_eq!(shard.connections(), 2);
            assert!(culprit.failed.load(Ordering::Relaxed), "it is told");
            assert_eq!(shard.counters().peers_failed.get(), 1);
            for healthy in [first, last] {
                assert_eq!(healthy.advanced.load(Ordering::Relaxed), 20);
            }
            assert_eq!(handles.shared.counters.ticks.get(), 20);
        }
    }
}

#[test]
fn a_shard_with_a_peer_and_no_session_ticks_on_until_the_peer_is_over() {
    let mut shard = Shard::new(None, 1);
    let peer = connect(&mut shard, relay());
    assert!(!shard.is_empty());
    shard.tick(10_000, &mut |_| panic!("it is not over"));
    assert_eq!(peer.advanced.load(Ordering::Relaxed), 1);
    assert_eq!(shard.counters().peers.get(), (1, 1));
    peer.over.store(true, Ordering::Relaxed);
    let mut retired = Vec::new();
    shard.tick(20_000, &mut |over| retired.push(over));
    assert!(shard.is_empty());
    assert_eq!(shard.counters().peers.get(), (0, 1));
    assert_eq!(
        peer.links_dropped.load(Ordering::Relaxed),
        0,
        "sockets are not closed in the tick"
    );
    drop(retired);
    assert_eq!(peer.links_dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn a_shard_drives_two_peers_for_each_session_that_it_has_room_for() {
    let mut shard = Shard::new(None, 2);
    for _ in 0..4 {
        connect(&mut shard, relay());
    }
    let relay = relay();
    let link = Box::new(RelayLink(relay.state.clone()));
    let refused = shard.connect(Connection::new(Box::new(relay), link).boxed());
    assert!(refused.is_err());
    assert_eq!(shard.connections(), shard.max_connections());
}

#[test]
fn a_goodbye_that_was_asked_for_before_the_shard_goes_is_sent() {
    let mut shard = Shard::new(None, 1);
    let peer = connect(&mut shard, relay());
    shard.tick(10_000, &mut |_| {});
    peer.goodbye.store(true, Ordering::Relaxed);
    let mut retired = 0;
    shard.close(15_000, &mut |_| retired += 1);
    assert_eq!(retired, 1);
    assert_eq!(*peer.sent.lock().expect("datagrams"), [b"goodbye".len()]);
}
