//! The packets that wait for their turn, in slots made once.

use std::collections::VecDeque;
use std::fmt;

use crate::arrivals::Epoch;
use crate::packet::MAX_PAYLOAD_BYTES;

/// What is known of a held packet besides its payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Extended sequence number.
    pub sequence: i64,
    /// Its first sample on the media axis.
    pub start: i64,
    /// Its length in samples, by its header.
    pub samples: usize,
    /// When it arrived.
    pub arrival_us: u64,
    /// Packets of the same one can be compared in time.
    pub epoch: Epoch,
    /// It says that the sender is silent, and has no sound of its own.
    pub comfort: bool,
}

impl Held {
    /// The first sample after it.
    pub(crate) fn end(&self) -> i64 {
        self.start
            .saturating_add(i64::try_from(self.samples).unwrap_or(i64::MAX))
    }
}

/// Held packets in order of sequence. The slot that was freed last is used first, so that a large capacity costs memory only
/// when it is needed.
pub(crate) struct PacketStore {
    slots: Box<[Slot]>,
    payloads: Box<[u8]>,
    /// Slots in order of their packets' sequence numbers.
    order: VecDeque<usize>,
    free: Vec<usize>,
    held_samples: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    held: Held,
    payload_len: usize,
}

impl PacketStore {
    /// A store of `capacity` slots, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            slots: vec![Slot::default(); capacity].into_boxed_slice(),
            payloads: vec![0; capacity * MAX_PAYLOAD_BYTES].into_boxed_slice(),
            order: VecDeque::with_capacity(capacity),
            free: (0..capacity).rev().collect(),
            held_samples: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Sum of the lengths of the held packets, in samples.
    pub(crate) fn held_samples(&self) -> usize {
        self.held_samples
    }

    pub(crate) fn contains(&self, sequence: i64) -> bool {
        self.find(sequence).is_ok()
    }

    /// The packet whose turn is next.
    pub(crate) fn front(&self) -> Option<Held> {
        self.order.front().map(|&slot| self.slots[slot].held)
    }

    /// The packet whose turn is next but one.
    pub(crate) fn second(&self) -> Option<Held> {
        self.order.get(1).map(|&slot| self.slots[slot].held)
    }

    /// The packets came at `now_us` at the latest.
    pub(crate) fn believe_no_arrival_after(&mut self, now_us: u64) {
        for &slot in &self.order {
            let arrival_us = &mut self.slots[slot].held.arrival_us;
            *arrival_us = now_us.min(*arrival_us);
        }
    }

    /// The arrival of the packet that came first.
    pub(crate) fn earliest_arrival_us(&self) -> Option<u64> {
        let arrivals = self
            .order
            .iter()
            .map(|&slot| self.slots[slot].held.arrival_us);
        arrivals.min()
    }

    /// Holds a packet: the store is not full, does not hold this number, and the payload fits a slot.
    pub(crate) fn insert(&mut self, held: Held, payload: &[u8]) {
        let (Some(slot), Err(place)) = (self.free.pop(), self.find(held.sequence)) else {
            unreachable!("the caller has looked for a free slot and for the number");
        };
        self.slots[slot] = Slot {
            held,
            payload_len: payload.len(),
        };
        let at = slot * MAX_PAYLOAD_BYTES;
        self.payloads[at..at + payload.len()].copy_from_slice(payload);
        self.order.insert(place, slot);
        self.held_samples += held.samples;
    }

    /// Takes the packet whose turn is next. Its payload can be read until the next insertion.
    pub(crate) fn pop_front(&mut self) -> Option<(Held, &[u8])> {
        let slot = self.order.pop_front()?;
        self.free.push(slot);
        let Slot { held, payload_len } = self.slots[slot];
        self.held_samples -= held.samples;
        let at = slot * MAX_PAYLOAD_BYTES;
        Some((held, &self.payloads[at..at + payload_len]))
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.free.extend(self.order.drain(..));
        self.held_samples = 0;
    }

    fn find(&self, sequence: i64) -> Result<usize, usize> {
        self.order
            .binary_search_by_key(&sequence, |&slot| self.slots[slot].held.sequence)
    }
}

impl fmt::Debug for PacketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketStore")
            .field("capacity", &self.slots.len())
            .field("held", &self.order.len())
            .field("front", &self.front())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, PacketStore};

    fn held(sequence: i64) -> Held {
        Held {
            sequence,
            start: sequence * 160,
            samples: 160,
            arrival_us: 1_000 - sequence as u64,
            epoch: 0,
            comfort: false,
        }
    }

    #[test]
    fn packets_leave_in_order_of_sequence_with_their_own_payload() {
        let mut store = PacketStore::new(3);
        for sequence in [7, 5, 6] {
            store.insert(held(sequence), &[sequence as u8; 4]);
        }
        assert!(store.is_full());
        assert_eq!(store.held_samples(), 480);
        assert_eq!(store.earliest_arrival_us(), Some(993));
        for sequence in [5, 6, 7] {
            let (packet, payload) = store.pop_front().unwrap();
            assert_eq!(
                (packet, payload),
                (held(sequence), &[sequence as u8; 4][..])
            );
        }
        assert!(store.pop_front().is_none());
        assert_eq!(store.held_samples(), 0);
    }

    #[test]
    fn no_packet_came_after_it_was_found() {
        let mut store = PacketStore::new(2);
        store.insert(held(1), &[]);
        store.insert(held(300), &[]);
        store.believe_no_arrival_after(800);
        let (first, _) = store.pop_front().unwrap();
        assert_eq!(first.arrival_us, 800);
        let (second, _) = store.pop_front().unwrap();
        assert_eq!(second.arrival_us, 700);
    }

    #[test]
    fn a_cleared_store_has_all_its_slots_again() {
        let mut store = PacketStore::new(2);
        store.insert(held(1), &[]);
        store.insert(held(2), &[]);
        store.clear();
        assert_eq!(store.held_samples(), 0);
        store.insert(held(1), &[]);
        store.insert(held(2), &[]);
        assert!(store.is_full() && store.contains(1) && !store.contains(3));
    }
}
