//! One way of a network: packets in, packets out later, in whatever order and number.

use crate::bottleneck::Link;
use crate::conditions::{Conditions, ConditionsError};
use crate::gilbert_elliott::LossyChannel;
use crate::jitter::JitterSource;
use crate::pauses::PauseSource;
use crate::random::{Purpose, Random};
use std::collections::BTreeMap;

/// Packets under way at most: over a minute of 20 ms packets. What comes on top is dropped and counted.
pub const MAX_IN_FLIGHT_PACKETS: usize = 4_096;

/// Headers of an RTP packet on the wire: RTP 12, UDP 8, IPv4 20 bytes.
pub const RTP_HEADERS_BYTES: usize = 40;

/// A packet at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered<P> {
    /// When it was pushed.
    pub sent_us: u64,
    /// When it arrived: not after the `now` of the pop that gave it.
    pub arrival_us: u64,
    /// What was pushed.
    pub payload: P,
}

/// What became of the packets: `sent + duplicated = delivered + lost + queue_drops + in_flight_drops + held`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Packets pushed.
    pub sent: u64,
    /// Packets popped, copies included.
    pub delivered: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Packets popped after one that was sent later (RFC 4737, section 3.3); copies are not counted.
    pub reordered: u64,
    /// Packets that the queue of the bottleneck had no room for.
    pub queue_drops: u64,
    /// Packets over [`MAX_IN_FLIGHT_PACKETS`].
    pub in_flight_drops: u64,
    /// Packets under way.
    pub held: u64,
}

/// See the module. Packets pass the bottleneck, then loss and duplication, then delay, jitter and stalls, which keep their
/// order, and last a detour, which does not.
#[derive(Debug)]
pub struct Network<P> {
    conditions: Conditions,
    link: Option<Link>,
    loss: LossyChannel,
    jitter: JitterSource,
    stalls: PauseSource,
    duplication: Random,
    reordering: Random,
    /// The latest push, and the latest arrival of a packet that took no detour: neither goes back.
    pushed_us: u64,
    last_in_order_us: u64,
    /// By arrival, then in the order of making.
    under_way: BTreeMap<(u64, u64), UnderWay<P>>,
    made: u64,
    newest_popped: Option<u64>,
    stats: NetworkStats,
}

#[derive(Debug)]
struct UnderWay<P> {
    number: u64,
    copy: bool,
    sent_us: u64,
    payload: P,
}

impl<P: Clone> Network<P> {
    /// A network whose every accident is decided by `seed`.
    ///
    /// # Errors
    /// The first field of `conditions` that is out of its range.
    pub fn new(conditions: Conditions, seed: u64) -> Result<Self, ConditionsError> {
        conditions.check()?;
        let random = |purpose| Random::new(seed, purpose);
        Ok(Self {
            conditions,
            link: conditions.bottleneck.map(Link::new),
            loss: LossyChannel::new(conditions.loss, random(Purpose::Loss)),
            jitter: JitterSource::new(conditions.jitter, random(Purpose::Jitter)),
            stalls: PauseSource::new(conditions.stalls, random(Purpose::Stalls)),
            duplication: random(Purpose::Duplication),
            reordering: random(Purpose::Reordering),
            pushed_us: 0,
            last_in_order_us: 0,
            under_way: BTreeMap::new(),
            made: 0,
            newest_popped: None,
            stats: NetworkStats::default(),
        })
    }

    /// Sends a packet of `wire_bytes` (headers included; only a bottleneck asks). A `now_us` before that of the push before
    /// it counts as the same.
    pub fn push(&mut self, now_us: u64, wire_bytes: usize, payload: P) {
        self.pushed_us = self.pushed_us.max(now_us);
        let number = self.stats.sent;
        self.stats.sent += 1;
        // Drawn for every packet, whatever became of it before: no accident shifts another's numbers.
        let lost = self.loss.loses();
        let jitter_us = self.jitter.next_us();
        let twice = self.duplication.chance(self.conditions.duplicate);
        let detour = self
            .reordering
            .chance(self.conditions.reordering.probability);
        let departure_us = match &mut self.link {
            None => Some(self.pushed_us),
            Some(link) => link.departure_us(self.pushed_us, wire_bytes as u64),
        };
        let Some(departure_us) = departure_us else {
            self.stats.queue_drops += 1;
            return;
        };
        if lost {
            self.stats.lost += 1;
            return;
        }
        let arrival_us = departure_us
            .saturating_add(self.conditions.delay_us)
            .saturating_add(jitter_us)
            .max(self.last_in_order_us);
        let mut arrival_us = self.stalls.past_pause_us(arrival_us);
        self.last_in_order_us = arrival_us;
        if detour {
            arrival_us = arrival_us.saturating_add(self.conditions.reordering.detour_us);
        }
        if twice {
            self.stats.duplicated += 1;
            self.hold(arrival_us, number, false, payload.clone());
            self.hold(arrival_us, number, true, payload);
        } else {
            self.hold(arrival_us, number, false, payload);
        }
    }

    /// The next packet that has arrived by `now_us`.
    pub fn pop(&mut self, now_us: u64) -> Option<Delivered<P>> {
        let first = self.under_way.first_entry()?;
        let &(arrival_us, _) = first.key();
        if arrival_us > now_us {
            return None;
        }
        let packet = first.remove();
        self.stats.delivered += 1;
        let overtaken = self
            .newest_popped
            .is_some_and(|newest| packet.number < newest);
        self.stats.reordered += u64::from(overtaken && !packet.copy);
        self.newest_popped = self.newest_popped.max(Some(packet.number));
        Some(Delivered {
            sent_us: packet.sent_us,
            arrival_us,
            payload: packet.payload,
        })
    }

    /// When the next packet arrives; `None` while nothing is under way.
    #[must_use]
    pub fn next_due_us(&self) -> Option<u64> {
        let (&(arrival_us, _), _) = self.under_way.first_key_value()?;
        Some(arrival_us)
    }

    /// What became of the packets so far.
    #[must_use]
    pub fn stats(&self) -> NetworkStats {
        NetworkStats {
            held: self.under_way.len() as u64,
            ..self.stats
        }
    }

    fn hold(&mut self, arrival_us: u64, number: u64, copy: bool, payload: P) {
        if self.under_way.len() == MAX_IN_FLIGHT_PACKETS {
            self.stats.in_flight_drops += 1;
            return;
        }
        let packet = UnderWay {
            number,
            copy,
            sent_us: self.pushed_us,
            payload,
        };
        self.under_way.insert((arrival_us, self.made), packet);
        self.made += 1;
    }
}
