//! The one clock: CLOCK_MONOTONIC, the same that Python's `time.monotonic()` reads.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Instant;

/// Readings of both clocks that are so close to each other are of one moment.
const CLOSE_US: u64 = 50;
const MAX_READINGS: usize = 3;

/// Microseconds on the system's monotonic clock.
#[must_use]
pub fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// Now, on this clock and as the standard library counts it, for code that is told the time in both.
#[must_use]
pub fn epoch() -> (Instant, u64) {
    (Instant::now(), now_us())
}

/// The monotonic clock and the wall clock at the same moment, to bring what is stamped by one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clocks {
    pub monotonic_us: u64,
    pub wall_us: u64,
}

impl Clocks {
    pub(crate) fn now() -> Self {
        let mut best = Self::read();
        // A thread that is put to sleep between the readings makes them belong to different moments.
        for _ in 0..MAX_READINGS {
            if best.1 <= CLOSE_US {
                break;
            }
            let again = Self::read();
            if again.1 < best.1 {
                best = again;
            }
        }
        best.0
    }

    /// A reading, and for how long it took.
    fn read() -> (Self, u64) {
        let before_us = now_us();
        let wall = clock_gettime(ClockId::Realtime);
        let monotonic_us = now_us();
        let clocks = Self {
            monotonic_us,
            wall_us: wall.tv_sec as u64 * 1_000_000 + wall.tv_nsec as u64 / 1_000,
        };
        (clocks, monotonic_us - before_us)
    }

    /// The same moment on the monotonic clock; none if the wall clock says that it is still to come.
    pub(crate) fn monotonic_us(&self, wall_us: u64) -> Option<u64> {
        let ago_us = self.wall_us.checked_sub(wall_us)?;
        self.monotonic_us.checked_sub(ago_us)
    }
}

/// Sleeps until [`now_us`] reaches `deadline_us`. An absolute deadline does not drift, however late a tick was.
pub(crate) fn sleep_until(deadline_us: u64) {
    let deadline = Timespec {
        tv_sec: (deadline_us / 1_000_000) as i64,
        tv_nsec: (deadline_us % 1_000_000 * 1_000) as i64,
    };
    // A signal may cut the sleep short; the deadline is absolute, so sleeping again is right.
    while now_us() < deadline_us {
        if clock_nanosleep_absolute(ClockId::Monotonic, &deadline).is_ok() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_the_wall_clock_is_brought_to_the_monotonic_one() {
        let clocks = Clocks {
            monotonic_us: 5_000_000,
            wall_us: 1_700_000_000_000_000,
        };
        assert_eq!(clocks.monotonic_us(1_699_999_999_950_000), Some(4_950_000));
        assert_eq!(clocks.monotonic_us(clocks.wall_us), Some(5_000_000));
        // Still to come; and before the machine was started.
        assert_eq!(clocks.monotonic_us(clocks.wall_us + 1), None);
        assert_eq!(clocks.monotonic_us(0), None);
    }

    #[test]
    fn the_clocks_are_read_at_one_moment() {
        let before_us = now_us();
        let clocks = Clocks::now();
        assert!((before_us..=now_us()).contains(&clocks.monotonic_us));
    }
}
