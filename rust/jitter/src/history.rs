//! Which of the last sequence numbers were received.

/// Sequence numbers that were passed, played or not, back from the last one played.
#[derive(Debug, Default)]
pub(crate) struct History {
    first: Option<i64>,
    last: Option<i64>,
    /// Bit k: the packet `last - k` was received.
    received: u128,
}

/// What is known of a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// Its turn has not come.
    Ahead,
    /// Its turn is over, and it was received.
    Received,
    /// Its turn is over, and it was not received as far as is known.
    Missed,
}

impl History {
    /// What is known of `sequence`.
    pub(crate) fn of(&self, sequence: i64) -> Past {
        match self.last {
            Some(last) if sequence <= last => {
                if self.bit(last, sequence) & self.received != 0 {
                    Past::Received
                } else {
                    Past::Missed
                }
            }
            _ => Past::Ahead,
        }
    }

    /// The turn of `sequence`, which is ahead, has come, or it came now after its turn.
    pub(crate) fn note_received(&mut self, sequence: i64) {
        let last = self.last.unwrap_or(sequence);
        self.first.get_or_insert(sequence);
        if sequence >= last {
            let step = u32::try_from(sequence.wrapping_sub(last)).unwrap_or(u32::MAX);
            self.received = self.received.checked_shl(step).unwrap_or(0) | 1;
            self.last = Some(sequence);
        } else {
            self.received |= self.bit(last, sequence);
        }
    }

    /// Whether `sequence`, whose turn is over, was one of those that [`missing_before`](Self::missing_before) counted: it lies
    /// behind the first.
    pub(crate) fn was_awaited(&self, sequence: i64) -> bool {
        self.first.is_some_and(|first| sequence > first)
    }

    /// How many numbers lie between the last turn and `sequence`, which is ahead.
    pub(crate) fn missing_before(&self, sequence: i64) -> u32 {
        self.last.map_or(0, |last| {
            u32::try_from(sequence.wrapping_sub(last).wrapping_sub(1)).unwrap_or(0)
        })
    }

    fn bit(&self, last: i64, sequence: i64) -> u128 {
        u32::try_from(last.wrapping_sub(sequence))
            .ok()
            .and_then(|back| 1u128.checked_shl(back))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{History, Past};

    #[test]
    fn a_packet_that_was_passed_over_is_missed_until_it_comes_late() {
        let mut history = History::default();
        history.note_received(5);
        assert_eq!(history.missing_before(8), 2);
        history.note_received(8);
        assert_eq!(history.of(5), Past::Received);
        assert_eq!(history.of(6), Past::Missed);
        history.note_received(6);
        assert_eq!(history.of(6), Past::Received);
        assert_eq!(history.of(7), Past::Missed);
        assert_eq!(history.of(9), Past::Ahead);
    }

    #[test]
    fn what_is_far_behind_is_forgotten_without_harm() {
        let mut history = History::default();
        history.note_received(1);
        history.note_received(1_000);
        assert_eq!(history.of(1), Past::Missed);
        history.note_received(1);
        assert_eq!(history.of(1_000), Past::Received);
    }
}
