//! Datagrams that wait to be sent: sound before data.

use crate::repeats::Repeats;
use beluga_engine::{Carrier, Datagram};
use std::collections::VecDeque;
use str0m::net::{Protocol, Transmit};

/// Datagrams that may wait. Between two rounds of sending a peer answers what came in: some tens of them.
const CAPACITY: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    sound: VecDeque<Transmit>,
    /// Sound that was sent before.
    again: VecDeque<Transmit>,
    data: VecDeque<Transmit>,
    /// Datagrams that were dropped because too many waited; a network would have lost them too.
    pub(crate) dropped: u64,
}

/// DTLS records; everything else is STUN, RTP and RTCP. RFC 7983, section 7.
pub(crate) fn is_dtls(payload: &[u8]) -> bool {
    payload
        .first()
        .is_some_and(|first| (20..64).contains(first))
}

/// What str0m calls it.
pub(crate) fn protocol(carrier: Carrier) -> Protocol {
    match carrier {
        Carrier::Udp => Protocol::Udp,
        Carrier::Tcp => Protocol::Tcp,
    }
}

impl Outbox {
    pub(crate) fn push(&mut self, transmit: Transmit) {
        let queue = if is_dtls(&transmit.contents) {
            &mut self.data
        } else {
            &mut self.sound
        };
        if queue.len() < CAPACITY {
            queue.push_back(transmit);
        } else {
            self.dropped += 1;
        }
    }

    pub(crate) fn push_again(&mut self, transmit: Transmit) {
        if self.again.len() < CAPACITY {
            self.again.push_back(transmit);
        } else {
            self.dropped += 1;
        }
    }

    /// Sends everything; sound is kept for who misses it. Gives how many bytes it was.
    pub(crate) fn send(
        &mut self,
        now_us: u64,
        repeats: &mut Repeats,
        transmit: &mut dyn FnMut(Datagram<'_>),
    ) -> u64 {
        let mut bytes = 0;
        for one in self.sound.drain(..) {
            bytes += give(&one, transmit);
            repeats.keep(now_us, one);
        }
        for one in self.again.drain(..).chain(self.data.drain(..)) {
            bytes += give(&one, transmit);
        }
        bytes
    }
}

fn give(one: &Transmit, transmit: &mut dyn FnMut(Datagram<'_>)) -> u64 {
    let carrier = match one.proto {
        Protocol::Udp => Carrier::Udp,
        // The other two belong to relays, of which there are none.
        _ => Carrier::Tcp,
    };
    transmit(Datagram {
        carrier,
        local: one.source,
        remote: one.destination,
        payload: &one.contents,
    });
    one.contents.len() as u64
}
