//! A peer without a protocol: what its link brings goes to a session's door, what the session sends goes to the link.

use beluga_engine::{
    Age, Carrier, Datagram, Link, Packet, PacketReader, PacketWriter, Peer, Urgency,
};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The address of everybody.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// Which of a peer's functions is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Receive,
    Advance,
    Send,
}

/// What a test knows of a relay, and tells it.
#[derive(Debug, Default)]
pub struct RelayState {
    /// Datagrams on their way to it, by the time of their arrival.
    pub incoming: Mutex<VecDeque<(u64, Vec<u8>)>>,
    /// Bytes of each datagram that it sent, and how urgent each sending was.
    pub sent: Mutex<Vec<usize>>,
    pub urgencies: Mutex<Vec<Urgency>>,
    pub advanced: AtomicU64,
    pub over: AtomicBool,
    pub failed: AtomicBool,
    pub broken: Mutex<Option<Broken>>,
    /// It panics in `fail`, too.
    pub fails_badly: AtomicBool,
    pub links_dropped: AtomicU64,
    /// Sent when it is advanced next.
    pub goodbye: AtomicBool,
}

#[derive(Debug)]
pub struct Relay {
    pub state: Arc<RelayState>,
    pub to_session: Option<PacketWriter>,
    pub from_session: Option<PacketReader>,
    pub sequence: u16,
}

#[derive(Debug)]
pub struct RelayLink(pub Arc<RelayState>);

impl Relay {
    pub fn new(state: &Arc<RelayState>) -> Self {
        Self {
            state: state.clone(),
            to_session: None,
            from_session: None,
            sequence: 0,
        }
    }

    fn check(&self, function: Broken) {
        assert!(
            *self.state.broken.lock().unwrap() != Some(function),
            "this peer is broken (a test wants it)"
        );
    }
}

impl Peer for Relay {
    fn bound(&mut self, _carrier: Carrier, _local: SocketAddr) {}

    fn receive(&mut self, arrival_us: u64, datagram: Datagram<'_>) {
        self.check(Broken::Receive);
        if let Some(writer) = &mut self.to_session {
            let (sequence, samples) = (self.sequence, datagram.payload.len() as u32);
            self.sequence += 1;
            let timestamp = u32::from(sequence) * samples;
            let pushed = writer.push(Packet {
                arrival_us,
                sequence,
                timestamp,
                ssrc: 1,
                payload: datagram.payload,
            });
            assert_eq!(pushed, Ok(true));
        }
    }

    fn advance(&mut self, _now_us: u64) {
        self.check(Broken::Advance);
        self.state.advanced.fetch_add(1, Ordering::Relaxed);
    }

    fn send(&mut self, now_us: u64, urgency: Urgency, transmit: &mut dyn FnMut(Datagram<'_>)) {
        self.check(Broken::Send);
        self.state.urgencies.lock().unwrap().push(urgency);
        let mut give = |payload: &[u8]| {
            transmit(Datagram {
                carrier: Carrier::Udp,
                local: ADDRESS,
                remote: ADDRESS,
                payload,
            });
        };
        if let Some(reader) = &mut self.from_session {
            while let Some(packet) = reader.pop(now_us, &Age::default()) {
                give(packet.payload());
            }
        }
        if self.state.goodbye.swap(false, Ordering::Relaxed) {
            give(b"goodbye");
        }
    }

    fn due_us(&self) -> u64 {
        u64::MAX
    }

    fn is_settled(&self) -> bool {
        true
    }

    fn is_over(&self) -> bool {
        self.state.over.load(Ordering::Relaxed)
    }

    fn fail(&mut self) {
        self.state.failed.store(true, Ordering::Relaxed);
        assert!(
            !self.state.fails_badly.load(Ordering::Relaxed),
            "this peer cannot even fail (a test wants it)"
        );
    }
}

impl Link for RelayLink {
    fn receive(&mut self, now_us: u64, sink: &mut dyn FnMut(u64, Datagram<'_>)) {
        let mut incoming = self.0.incoming.lock().unwrap();
        while incoming.front().is_some_and(|&(at_us, _)| at_us <= now_us) {
            let (at_us, payload) = incoming.front().unwrap();
            sink(
                *at_us,
                Datagram {
                    carrier: Carrier::Udp,
                    local: ADDRESS,
                    remote: ADDRESS,
                    payload,
                },
            );
            // Kept, so that nothing is freed in the tick.
            incoming.rotate_left(1);
            incoming.back_mut().unwrap().0 = u64::MAX;
        }
    }

    fn transmit(&mut self, datagram: Datagram<'_>) {
        let mut sent = self.0.sent.lock().unwrap();
        sent.push(datagram.payload.len());
    }
}

impl Drop for RelayLink {
    fn drop(&mut self) {
        self.0.links_dropped.fetch_add(1, Ordering::Relaxed);
    }
}
