//! Reliable packets are numbered: what was not received before a resume is sent again, and what came before is known.

use std::collections::{BTreeMap, VecDeque};

/// How long a sender is remembered that sends nothing.
const SENDER_TTL_US: u64 = 30_000_000;
/// Senders remembered; the one that was silent for longest makes room.
const MAX_SENDERS: usize = 1_024;
/// Bytes kept for sending again: more than a connection holds back.
const MAX_KEPT_BYTES: usize = 1 << 20;
/// How long a packet is kept that a connection has taken. A connection that takes longer to deliver is a lost one.
const KEPT_US: u64 = 30_000_000;

/// Numbers of those who send to us, by the sid of their stay.
#[derive(Debug, Default)]
pub(crate) struct Received(BTreeMap<String, (u32, u64)>);

impl Received {
    /// Whether a packet is new. Without a number or a sender it always is.
    pub(crate) fn is_new(&mut self, now_us: u64, sender_sid: &str, sequence: u32) -> bool {
        if sequence == 0 || sender_sid.is_empty() {
            return true;
        }
        if let Some((last, heard_us)) = self.0.get_mut(sender_sid) {
            let forgotten = now_us >= *heard_us + SENDER_TTL_US;
            if sequence <= *last && !forgotten {
                return false;
            }
            (*last, *heard_us) = (sequence, now_us);
            return true;
        }
        if self.0.len() >= MAX_SENDERS {
            self.0
                .retain(|_, (_, heard_us)| now_us < *heard_us + SENDER_TTL_US);
        }
        if self.0.len() >= MAX_SENDERS
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, heard_us))| *heard_us)
        {
            let sid = oldest.0.clone();
            self.0.remove(&sid);
        }
        self.0.insert(sender_sid.to_owned(), (sequence, now_us));
        true
    }

    /// The last number of each, as the server is told after a resume.
    pub(crate) fn last(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(sid, (last, _))| (sid.as_str(), *last))
    }
}

/// Packets that a connection has taken and that may have to be sent again.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    packets: VecDeque<(u32, u64, Vec<u8>)>,
    bytes: usize,
}

impl Kept {
    pub(crate) fn keep(&mut self, now_us: u64, sequence: u32, message: Vec<u8>) {
        self.bytes += message.len();
        self.packets.push_back((sequence, now_us, message));
        while let Some((_, taken_us, _)) = self.packets.front()
            && (self.bytes > MAX_KEPT_BYTES || now_us >= taken_us + KEPT_US)
        {
            self.drop_first();
        }
    }

    /// The server has received everything up to this number; 0 says nothing.
    pub(crate) fn received_up_to(&mut self, sequence: u32) {
        while let Some((first, ..)) = self.packets.front()
            && *first <= sequence
        {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, _, message)) = self.packets.pop_front() {
            self.bytes -= message.len();
        }
    }

    /// In their order.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.packets
            .iter()
            .map(|(_, _, message)| message.as_slice())
    }

    pub(crate) fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_came_before_is_known_and_a_sender_is_forgotten_after_half_a_minute() {
        let mut received = Received::default();
        assert!(received.is_new(0, "PA_a", 1));
        assert!(received.is_new(0, "PA_a", 3));
        assert!(!received.is_new(1, "PA_a", 2));
        assert!(!received.is_new(1, "PA_a", 3));
        assert!(received.is_new(1, "PA_b", 1));
        assert!(received.is_new(30_000_001, "PA_a", 1), "forgotten");
    }

    #[test]
    fn packets_without_a_number_or_a_sender_are_always_new() {
        let mut received = Received::default();
        for _ in 0..2 {
            assert!(received.is_new(0, "PA_a", 0));
            assert!(received.is_new(0, "", 5));
        }
    }

    #[test]
    fn as_many_senders_as_a_server_likes_to_name_cost_no_more_than_a_thousand() {
        let mut received = Received::default();
        for number in 0..3_000 {
            assert!(received.is_new(number, &format!("PA_{number}"), 1));
        }
        assert_eq!(received.0.len(), MAX_SENDERS);
        assert!(received.0.contains_key("PA_2999"));
    }

    #[test]
    fn what_is_kept_for_sending_again_is_bounded_in_bytes_and_in_time() {
        let mut kept = Kept::default();
        for sequence in 1..=200 {
            kept.keep(0, sequence, vec![0; 10_000]);
        }
        assert!(kept.bytes <= MAX_KEPT_BYTES);
        assert_eq!(
            kept.packets.back().map(|(sequence, ..)| *sequence),
            Some(200)
        );
        kept.keep(KEPT_US, 201, vec![0; 10]);
        assert_eq!(kept.packets().count(), 1);
    }
}
