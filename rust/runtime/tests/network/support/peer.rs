//! A peer that records what it gets, sends what a test gives it, and answers each datagram that begins with "ping".

use beluga_engine::{Carrier, Datagram, Peer, Urgency};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A datagram that it got, or is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub arrival_us: u64,
    pub carrier: Carrier,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub payload: Vec<u8>,
    /// The thread that gave it.
    pub thread: String,
}

/// Carrier, our address, theirs, bytes.
type Outgoing = (Carrier, SocketAddr, SocketAddr, Vec<u8>);

#[derive(Debug, Default)]
pub struct PeerState {
    pub bound: Mutex<Vec<(Carrier, SocketAddr)>>,
    pub taken: Mutex<Vec<Taken>>,
    outgoing: Mutex<VecDeque<Outgoing>>,
    pub settled: AtomicBool,
    pub over: AtomicBool,
    pub failed: AtomicBool,
    pub panics: AtomicBool,
    pub advanced: AtomicU64,
    /// Wants to be driven when something arrives and never else.
    pub patient: AtomicBool,
    /// Counts the times that it was dropped: one.
    pub freed: AtomicU64,
    pub threads: Mutex<Vec<String>>,
}

/// Cloned, it is the test's side.
#[derive(Debug, Clone, Default)]
pub struct ScriptedPeer(pub Arc<PeerState>);

/// The runtime's side.
#[derive(Debug)]
struct Driven(Arc<PeerState>);

impl ScriptedPeer {
    pub fn peer(&self) -> impl Peer + 'static {
        Driven(self.0.clone())
    }

    pub fn settle(&self) {
        self.0.settled.store(true, Ordering::Release);
    }

    pub fn end(&self) {
        self.0.over.store(true, Ordering::Release);
    }

    pub fn panic(&self) {
        self.0.panics.store(true, Ordering::Release);
    }

    /// Our address over that carrier, of the server's family.
    pub fn local(&self, carrier: Carrier, remote: SocketAddr) -> Option<SocketAddr> {
        let bound = self.0.bound.lock().expect("addresses");
        bound
            .iter()
            .find(|(found, local)| *found == carrier && local.is_ipv4() == remote.is_ipv4())
            .map(|&(_, local)| local)
    }

    /// Sends from the address of that carrier; false if there is none yet.
    pub fn send(&self, carrier: Carrier, remote: SocketAddr, payload: &[u8]) -> bool {
        let Some(local) = self.local(carrier, remote) else {
            return false;
        };
        let mut outgoing = self.0.outgoing.lock().expect("datagrams");
        outgoing.push_back((carrier, local, remote, payload.to_vec()));
        true
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.0.taken.lock().expect("datagrams").clone()
    }

    pub fn was_driven_on(&self, thread: &str) -> bool {
        let threads = self.0.threads.lock().expect("threads");
        threads.iter().any(|name| name.starts_with(thread))
    }
}

fn thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

impl Peer for Driven {
    fn bound(&mut self, carrier: Carrier, local: SocketAddr) {
        self.0
            .bound
            .lock()
            .expect("addresses")
            .push((carrier, local));
    }

    fn receive(&mut self, arrival_us: u64, datagram: Datagram<'_>) {
        let Datagram {
            carrier,
            local,
            remote,
            payload,
        } = datagram;
        if payload.starts_with(b"ping") {
            let pong = [b"pong", &payload[4..]].concat();
            let mut outgoing = self.0.outgoing.lock().expect("datagrams");
            outgoing.push_back((carrier, local, remote, pong));
        }
        self.0.taken.lock().expect("datagrams").push(Taken {
            arrival_us,
            carrier,
            local,
            remote,
            payload: payload.to_vec(),
            thread: thread(),
        });
    }

    fn advance(&mut self, _now_us: u64) {
        let mut threads = self.0.threads.lock().expect("threads");
        if threads.last() != Some(&thread()) {
            threads.push(thread());
        }
        drop(threads);
        self.0.advanced.fetch_add(1, Ordering::AcqRel);
        assert!(
            !self.0.panics.load(Ordering::Acquire),
            "this peer is broken (a test wants it)"
        );
    }

    fn send(&mut self, _now_us: u64, _urgency: Urgency, transmit: &mut dyn FnMut(Datagram<'_>)) {
        let outgoing = std::mem::take(&mut *self.0.outgoing.lock().expect("datagrams"));
        for (carrier, local, remote, payload) in outgoing {
            transmit(Datagram {
                carrier,
                local,
                remote,
                payload: &payload,
            });
        }
    }

    fn due_us(&self) -> u64 {
        if self.0.patient.load(Ordering::Acquire) {
            return u64::MAX;
        }
        // Soon: tests change its state without waking anybody.
        beluga_runtime::now_us() + 2_000
    }

    fn is_settled(&self) -> bool {
        self.0.settled.load(Ordering::Acquire)
    }

    fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire)
    }

    fn fail(&mut self) {
        self.0.failed.store(true, Ordering::Release);
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.freed.fetch_add(1, Ordering::AcqRel);
    }
}
