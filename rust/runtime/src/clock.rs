//! The one clock: CLOCK_MONOTONIC, the same that Python's `time.monotonic()` reads.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Microseconds on the system's monotonic clock.
#[must_use]
pub fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
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
