//! Where playout is on the media axis, and what comes next there.

use crate::arrivals::Epoch;
use crate::store::Held;

/// Playout waits for a spurt, or plays one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Playout {
    /// Silence until the next spurt is due.
    Waiting,
    /// Every sample of the spurt has its time.
    Playing(Cursor),
}

/// The state of a spurt. All positions are samples on the media axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    /// The next sample to be pulled.
    pub position: i64,
    /// The epoch of the packet that was taken last.
    pub epoch: Epoch,
    /// The end of the last packet whose turn has come.
    pub taken_to: i64,
    /// The end of a packet that could not be decoded: up to there is loss, whatever the numbers say.
    pub conceal_to: i64,
    /// Timestamps that are off by less are rounded, not torn.
    tolerance: i64,
}

/// What a spurt needs next, once the sound that was decoded is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The first held packet, without its first `skip` samples, which the one before has given already.
    Decode { skip: usize },
    /// So much sound made up, or less if a packet comes in time.
    Conceal { samples: usize },
    /// The sender paused, or its clock jumped, or the first held packet says that it is silent: the spurt is over.
    EndSpurt,
}

impl Cursor {
    /// A spurt that begins with `first`.
    pub(crate) fn at(first: Held, sample_rate_hz: u32) -> Self {
        Self {
            position: first.start,
            epoch: first.epoch,
            taken_to: first.start,
            conceal_to: first.start,
            tolerance: i64::from(sample_rate_hz / 1_000),
        }
    }

    /// The turn of `packet` has come, and its sound from `skip` on goes out when `in_hand` samples have. If it is late, it goes
    /// out late, and so does what follows: a delay can be worked off, a word that was dropped is lost.
    pub(crate) fn take(&mut self, packet: Held, skip: usize, in_hand: usize) {
        self.position = packet
            .start
            .saturating_add(signed(skip))
            .saturating_sub(signed(in_hand));
        self.epoch = packet.epoch;
        self.taken_to = packet.end();
    }

    /// `samples` have been pulled.
    pub(crate) fn advance(&mut self, samples: usize) {
        self.position = self.position.saturating_add(signed(samples));
    }

    /// `samples` will be pulled again.
    pub(crate) fn step_back(&mut self, samples: usize) {
        self.position = self.position.saturating_sub(signed(samples));
    }

    /// The media axis from here on begins `samples` later: the time of packets that were dropped.
    pub(crate) fn skip_time(&mut self, samples: i64) {
        self.position = self.position.saturating_add(samples);
        self.taken_to = self.taken_to.saturating_add(samples);
        self.conceal_to = self.conceal_to.saturating_add(samples);
    }

    /// Whether `packet`, with `missing` numbers between the last taken and it, is no continuation of the spurt: the sender
    /// paused before it, or its clock jumped.
    pub(crate) fn begins_spurt(&self, packet: Held, missing: u32) -> bool {
        // Packets that are missing at the start of a spurt must not make the pause before it look like loss: they count as
        // long as the one that is there.
        let lost = i64::from(missing).saturating_mul(signed(packet.samples));
        let gap = packet.start.saturating_sub(self.taken_to);
        gap > lost.saturating_add(self.tolerance) || packet.end() <= self.taken_to
    }

    /// By how many samples `packet` is late, if its turn is now.
    pub(crate) fn lateness(&self, packet: Held) -> i64 {
        let late = self
            .position
            .saturating_sub(packet.start.max(self.taken_to));
        if late > self.tolerance { late } else { 0 }
    }

    /// Whether `packet`, with `missing` numbers before it, can be joined to what is decoded and not yet pulled.
    pub(crate) fn goes_on_in(&self, packet: Held, missing: u32) -> bool {
        missing == 0
            && !packet.comfort
            && self.conceal_to <= self.taken_to
            && packet.start.abs_diff(self.taken_to) <= self.tolerance.unsigned_abs()
    }

    /// What comes next, when `first` is held and `missing` numbers before it are not.
    pub(crate) fn next_step(&self, first: Option<Held>, missing: u32) -> Step {
        if self.position < self.conceal_to {
            let samples = unsigned(self.conceal_to.saturating_sub(self.position));
            return Step::Conceal { samples };
        }
        let Some(first) = first else {
            return Step::Conceal {
                samples: usize::MAX,
            };
        };
        if self.begins_spurt(first, missing) {
            return Step::EndSpurt;
        }
        let gap = first.start.saturating_sub(self.position);
        if gap > self.tolerance {
            return Step::Conceal {
                samples: unsigned(gap),
            };
        }
        if first.comfort {
            return Step::EndSpurt;
        }
        Step::Decode {
            skip: unsigned(self.taken_to.saturating_sub(first.start)),
        }
    }
}

/// Lengths in samples are far below either limit.
fn signed(samples: usize) -> i64 {
    i64::try_from(samples).unwrap_or(i64::MAX)
}

/// What is below 0 counts as 0.
fn unsigned(samples: i64) -> usize {
    usize::try_from(samples).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Step};
    use crate::store::Held;

    fn packet(sequence: i64, start: i64) -> Held {
        Held {
            sequence,
            start,
            samples: 320,
            arrival_us: 0,
            epoch: 0,
            comfort: false,
        }
    }

    /// At 16 kHz, a packet of 20 ms played from 1,000 to its end.
    fn after_one_packet() -> Cursor {
        let mut cursor = Cursor::at(packet(0, 1_000), 16_000);
        cursor.take(packet(0, 1_000), 0, 0);
        cursor.advance(320);
        cursor
    }

    #[test]
    fn what_follows_is_decoded() {
        let cursor = after_one_packet();
        let step = cursor.next_step(Some(packet(1, 1_320)), 0);
        assert_eq!(step, Step::Decode { skip: 0 });
    }

    #[test]
    fn a_rounded_timestamp_is_no_gap() {
        let cursor = after_one_packet();
        for (start, skip) in [(1_325, 0), (1_317, 3)] {
            let step = cursor.next_step(Some(packet(1, start)), 0);
            assert_eq!(step, Step::Decode { skip });
            assert!(cursor.goes_on_in(packet(1, start), 0));
        }
    }

    #[test]
    fn what_a_packet_has_given_the_next_one_does_not_give_again() {
        let cursor = after_one_packet();
        let step = cursor.next_step(Some(packet(1, 1_200)), 0);
        assert_eq!(step, Step::Decode { skip: 120 });
        assert!(!cursor.goes_on_in(packet(1, 1_200), 0));
    }

    #[test]
    fn a_gap_of_missing_numbers_is_loss_and_any_other_is_a_pause() {
        let cursor = after_one_packet();
        let lost = cursor.next_step(Some(packet(3, 1_960)), 2);
        assert_eq!(lost, Step::Conceal { samples: 640 });
        assert!(!cursor.goes_on_in(packet(2, 1_640), 1));
        let paused = cursor.next_step(Some(packet(1, 1_960)), 0);
        assert_eq!(paused, Step::EndSpurt);
        let lost_and_paused = cursor.next_step(Some(packet(3, 9_000)), 2);
        assert_eq!(lost_and_paused, Step::EndSpurt);
    }

    #[test]
    fn a_packet_without_sound_ends_the_spurt_when_its_turn_has_come() {
        let comfort = |sequence, start| Held {
            comfort: true,
            ..packet(sequence, start)
        };
        let cursor = after_one_packet();
        let at_once = cursor.next_step(Some(comfort(1, 1_320)), 0);
        assert_eq!(at_once, Step::EndSpurt);
        assert!(!cursor.goes_on_in(comfort(1, 1_320), 0));
        let behind_a_loss = cursor.next_step(Some(comfort(2, 1_640)), 1);
        assert_eq!(behind_a_loss, Step::Conceal { samples: 320 });
    }

    #[test]
    fn what_follows_a_pause_is_not_late_though_the_pause_was_concealed_for_longer() {
        let mut cursor = after_one_packet();
        cursor.advance(800);
        let after_the_pause = packet(1, 1_960);
        assert_eq!(cursor.next_step(Some(after_the_pause), 0), Step::EndSpurt);
    }

    #[test]
    fn timestamps_that_go_back_begin_a_spurt() {
        let cursor = after_one_packet();
        assert_eq!(cursor.next_step(Some(packet(1, 600)), 0), Step::EndSpurt);
    }

    #[test]
    fn a_late_packet_is_played_whole_and_all_that_follows_is_as_late() {
        let mut cursor = after_one_packet();
        cursor.advance(160);
        let late = packet(1, 1_320);
        assert_eq!(cursor.lateness(late), 160);
        assert_eq!(cursor.next_step(Some(late), 0), Step::Decode { skip: 0 });
        cursor.take(late, 0, 0);
        assert_eq!(cursor.position, 1_320);
        cursor.advance(320);
        let step = cursor.next_step(Some(packet(2, 1_640)), 0);
        assert_eq!(step, Step::Decode { skip: 0 });
        assert_eq!(cursor.lateness(packet(2, 1_640)), 0);
    }

    #[test]
    fn what_is_decoded_ahead_goes_out_behind_what_is_in_hand() {
        let mut cursor = Cursor::at(packet(0, 1_000), 16_000);
        cursor.take(packet(0, 1_000), 0, 0);
        cursor.advance(100);
        assert!(cursor.goes_on_in(packet(1, 1_320), 0));
        cursor.take(packet(1, 1_320), 0, 220);
        assert_eq!((cursor.position, cursor.taken_to), (1_100, 1_640));
    }
}
