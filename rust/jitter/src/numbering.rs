//! Sequence numbers and timestamps without their wrap.

/// A forward step of more packets than this is not believed at once. RFC 3550, appendix A.1.
const MAX_DROPOUT: i16 = 3_000;

/// A backward step of more packets than this is not a late packet. RFC 3550, appendix A.1.
const MAX_MISORDER: i16 = 100;

/// Extends the numbers of one stream, each from the newest packet.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    newest: Option<Numbers>,
    /// The number that would confirm a step which was not believed.
    confirming: Option<u16>,
}

/// A packet's numbers, extended over the wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub sequence: i64,
    pub timestamp: i64,
    /// No packet of a higher number, or the same, has been seen.
    pub newest: bool,
}

/// A packet's place in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the stream as it is known.
    Known(Numbers),
    /// Too far off to be believed alone.
    Doubtful,
    /// The second in order from a far place: the sender counts from elsewhere now, and all numbers before are void.
    Restarted(Numbers),
}

impl Numbering {
    /// Places a packet, and remembers it if it is the newest.
    pub(crate) fn place(&mut self, sequence: u16, timestamp: u32) -> Place {
        let Some(last) = self.newest else {
            return Place::Known(self.start(sequence, timestamp));
        };
        // The casts keep the low bits: the number as it was on the wire. The difference of two is the shorter way round.
        let step = sequence.wrapping_sub(last.sequence as u16) as i16;
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&step) {
            if self.confirming.take() == Some(sequence) {
                return Place::Restarted(self.start(sequence, timestamp));
            }
            self.confirming = Some(sequence.wrapping_add(1));
            return Place::Doubtful;
        }
        self.confirming = None;
        let ticks = timestamp.wrapping_sub(last.timestamp as u32) as i32;
        let numbers = Numbers {
            sequence: last.sequence.wrapping_add(i64::from(step)),
            timestamp: last.timestamp.wrapping_add(i64::from(ticks)),
            newest: step > 0,
        };
        if numbers.newest {
            self.newest = Some(numbers);
        }
        Place::Known(numbers)
    }

    fn start(&mut self, sequence: u16, timestamp: u32) -> Numbers {
        let numbers = Numbers {
            sequence: i64::from(sequence),
            timestamp: i64::from(timestamp),
            newest: true,
        };
        self.newest = Some(numbers);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbering, Numbers, Place};

    fn at(sequence: i64, timestamp: i64, newest: bool) -> Place {
        Place::Known(numbers(sequence, timestamp, newest))
    }

    fn numbers(sequence: i64, timestamp: i64, newest: bool) -> Numbers {
        Numbers {
            sequence,
            timestamp,
            newest,
        }
    }

    #[test]
    fn both_numbers_go_on_over_the_wrap_and_back() {
        let mut numbering = Numbering::default();
        numbering.place(65_535, u32::MAX - 99);
        assert_eq!(numbering.place(1, 220), at(65_537, (1 << 32) + 220, true));
        assert_eq!(numbering.place(0, 60), at(65_536, (1 << 32) + 60, false));
        assert_eq!(
            numbering.place(65_535, u32::MAX - 99),
            at(65_535, (1 << 32) - 100, false)
        );
    }

    #[test]
    fn a_far_step_is_believed_when_the_next_number_follows() {
        let mut numbering = Numbering::default();
        numbering.place(10, 0);
        assert_eq!(numbering.place(40_000, 0), Place::Doubtful);
        let restarted = Place::Restarted(numbers(40_001, 160, true));
        assert_eq!(numbering.place(40_001, 160), restarted);
        assert_eq!(numbering.place(40_002, 320), at(40_002, 320, true));
    }

    #[test]
    fn two_far_steps_with_a_good_packet_between_are_not_believed() {
        let mut numbering = Numbering::default();
        numbering.place(10, 0);
        assert_eq!(numbering.place(40_000, 0), Place::Doubtful);
        assert_eq!(numbering.place(11, 160), at(11, 160, true));
        assert_eq!(numbering.place(40_001, 0), Place::Doubtful);
    }
}
