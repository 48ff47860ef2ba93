//! Which tick of the session a pull is for.

const FRAME_US: u64 = 10_000;

/// Pulls come every 10 ms of session time; a late shard makes up for the ticks it owes with several pulls of the same `now`.
/// Those pulls are for earlier ticks, and a spurt must begin in the tick where it would have begun in time.
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
    /// The time of the tick that this pull is for, never after `now_us`. Ticks still owed when `now_us` moves on were
    /// skipped, and are not owed any more.
    pub(crate) fn tick(&mut self, now_us: u64) -> u64 {
        let due_us = match self.last {
            None => now_us,
            Some(last) if last.now_us == now_us => last.tick_us.saturating_add(FRAME_US),
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
