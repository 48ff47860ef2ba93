//! Which tick of the session a pull is for.

const FRAME_US: u64 = 10_000;

/// Pulls come every 10 ms of session time; a late shard makes up for the ticks it owes with pulls one right after another.
/// Those are for earlier ticks, and a spurt must begin in the tick where it would have begun in time: one that began sooner
/// would run ahead of its packets from the moment when the shard has caught up.
#[derive(Debug, Default)]
pub(crate) struct MediaClock {
    last: Option<Pull>,
}

#[derive(Debug, Clone, Copy)]
struct Pull {
    now_us: u64,
    tick_us: u64,
}

impl MediaClock {
    /// The time of the tick that this pull is for, never after `now_us`. Who slept a whole tick before it owes nothing of
    /// what was before: ticks still open then were skipped.
    pub(crate) fn tick(&mut self, now_us: u64) -> u64 {
        let due_us = match self.last {
            None => now_us,
            Some(last) if now_us.saturating_sub(last.now_us) < FRAME_US => {
                last.tick_us.saturating_add(FRAME_US)
            }
            Some(last) => last.now_us.saturating_add(FRAME_US),
        };
        let tick_us = due_us.min(now_us);
        self.last = Some(Pull { now_us, tick_us });
        tick_us
    }
}

#[cfg(test)]
mod tests {
    use super::MediaClock;

    #[test]
    fn owed_ticks_are_ten_milliseconds_apart() {
        let mut clock = MediaClock::default();
        assert_eq!(clock.tick(1_000), 1_000);
        let owed: Vec<u64> = (0..4).map(|_| clock.tick(41_000)).collect();
        assert_eq!(owed, [11_000, 21_000, 31_000, 41_000]);
    }

    #[test]
    fn owed_ticks_that_take_their_time_are_too() {
        let mut clock = MediaClock::default();
        clock.tick(1_000);
        let owed: Vec<u64> = (0..6).map(|tick| clock.tick(41_000 + 300 * tick)).collect();
        assert_eq!(owed, [11_000, 21_000, 31_000, 41_000, 42_200, 42_500]);
    }

    #[test]
    fn a_shard_that_wakes_late_now_and_then_owes_nothing() {
        let mut clock = MediaClock::default();
        let ticks: Vec<u64> = [0, 13_000, 20_100, 32_000, 40_000]
            .map(|us| clock.tick(us))
            .into();
        assert_eq!(ticks, [0, 10_000, 20_000, 30_100, 40_000]);
    }

    #[test]
    fn skipped_ticks_are_not_owed_for_ever() {
        let mut clock = MediaClock::default();
        clock.tick(0);
        clock.tick(500_000);
        assert_eq!(clock.tick(510_000), 510_000);
    }

    #[test]
    fn a_clock_at_its_end_does_not_overflow() {
        let mut clock = MediaClock::default();
        clock.tick(u64::MAX);
        assert_eq!(clock.tick(u64::MAX), u64::MAX);
        assert_eq!(clock.tick(3), 3);
    }
}
