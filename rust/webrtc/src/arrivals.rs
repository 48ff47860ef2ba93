//! Data that came and waits for its turn: sound goes first, and what data costs in a tick is bounded.

use beluga_engine::{Carrier, Datagram};
use core::net::SocketAddr;
use std::collections::VecDeque;

/// Datagrams that may wait. What comes on top is lost, as in a network, and the sender slows down.
const CAPACITY: usize = 256;

#[derive(Debug)]
struct Arrival {
    arrival_us: u64,
    carrier: Carrier,
    local: SocketAddr,
    remote: SocketAddr,
    payload: Vec<u8>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    waiting: VecDeque<Arrival>,
    /// Datagrams that found no room.
    pub(crate) dropped: u64,
}

/// A datagram out of the queue.
#[derive(Debug)]
pub(crate) struct Arrived(Arrival);

impl Arrived {
    pub(crate) fn arrival_us(&self) -> u64 {
        self.0.arrival_us
    }

    pub(crate) fn datagram(&self) -> Datagram<'_> {
        Datagram {
            carrier: self.0.carrier,
            local: self.0.local,
            remote: self.0.remote,
            payload: &self.0.payload,
        }
    }
}

impl Arrivals {
    pub(crate) fn push(&mut self, arrival_us: u64, datagram: Datagram<'_>) {
        if self.waiting.len() == CAPACITY {
            self.dropped += 1;
            return;
        }
        self.waiting.push_back(Arrival {
            arrival_us,
            carrier: datagram.carrier,
            local: datagram.local,
            remote: datagram.remote,
            payload: datagram.payload.to_vec(),
        });
    }

    pub(crate) fn pop(&mut self) -> Option<Arrived> {
        self.waiting.pop_front().map(Arrived)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
