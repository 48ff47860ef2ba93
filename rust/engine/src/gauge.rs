//! "Wake me when there is as much": how an event loop waits for sound or for space without polling.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that only grows, and what somebody waits for it to reach.
///
/// One thread advances, one waits. Whichever way the two meet, the waiter is either told at once or marked due:
/// both sides store their own half before they load the other's (both `SeqCst`).
#[derive(Debug)]
pub struct Gauge {
    progress: AtomicU64,
    wanted: AtomicU64,
}

const NOTHING: u64 = u64::MAX;

impl Default for Gauge {
    fn default() -> Self {
        Self { progress: AtomicU64::new(0), wanted: AtomicU64::new(NOTHING) }
    }
}

impl Gauge {
    /// The count.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::SeqCst)
    }

    /// Asks to be marked due when the count reaches `count`; true if it already has, and then nothing is asked.
    #[must_use]
    pub fn want(&self, count: u64) -> bool {
        self.wanted.store(count, Ordering::SeqCst);
        if self.progress() < count {
            return false;
        }
        self.wanted.store(NOTHING, Ordering::SeqCst);
        true
    }

    /// Sets the count. True if that is what was waited for; said once.
    #[must_use]
    pub fn advance(&self, count: u64) -> bool {
        self.progress.store(count, Ordering::SeqCst);
        let wanted = self.wanted.load(Ordering::SeqCst);
        wanted <= count && self.wanted.compare_exchange(wanted, NOTHING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_is_marked_due_once() {
        let gauge = Gauge::default();
        assert!(!gauge.want(320));
        assert!(!gauge.advance(160));
        assert!(gauge.advance(320));
        assert!(!gauge.advance(480));
    }

    #[test]
    fn what_is_already_there_is_not_waited_for() {
        let gauge = Gauge::default();
        assert!(!gauge.advance(480));
        assert!(gauge.want(320));
        assert!(!gauge.advance(640));
    }
}
