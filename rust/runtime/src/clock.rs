//! The one clock: CLOCK_MONOTONIC, the same that Python's `time.monotonic()` reads.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Instant;

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
        let wall = clock_gettime(ClockId::Realtime);
        Self {
            monotonic_us: now_us(),
            wall_us: wall.tv_sec as u64 * 1_000_000 + wall.tv_nsec as u64 / 1_000,
        }
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
