//! "Wake me when there is as much": how an event loop waits for sound or for space without polling.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// A count that only grows, and what somebody waits for it to reach.
///
/// One thread advances, one waits. Whichever way the two meet, the waiter is either told at once or marked due: both
/// sides store their own half before they load the other's, with a sequentially consistent fence between the two.
#[derive(Debug)]
pub struct Gauge {
    progress: AtomicU64,
    wanted: AtomicU64,
}

const NOTHING: u64 = u64::MAX;

impl Default for Gauge {
    fn default() -> Self {
        Self {
            progress: AtomicU64::new(0),
            wanted: AtomicU64::new(NOTHING),
        }
    }
}

impl Gauge {
    /// The count.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Acquire)
    }

    /// Asks to be marked due when the count reaches `count`; true if it already has, and then nothing is asked.
    #[must_use]
    pub fn want(&self, count: u64) -> bool {
        // Swaps and no stores: they and the exchange of `advance` are in one order, so that it cannot answer a wish that
        // was withdrawn in place of the one that stands.
        self.wanted.swap(count, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.progress() < count {
            return false;
        }
        self.wanted.swap(NOTHING, Ordering::Relaxed);
        true
    }

    /// Sets the count. True if that is what was waited for; said once.
    #[must_use]
    pub fn advance(&self, count: u64) -> bool {
        self.progress.store(count, Ordering::Release);
        fence(Ordering::SeqCst);
        let wanted = self.wanted.load(Ordering::Relaxed);
        // Fails where the waiter has just asked for something else; then it is the waiter who sees the new count.
        wanted <= count
            && self
                .wanted
                .compare_exchange(wanted, NOTHING, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
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

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_waiter_is_never_left_waiting() {
        loom::model(|| {
            let gauge = Arc::new(Gauge::default());
            let shard = {
                let gauge = gauge.clone();
                loom::thread::spawn(move || [160, 320].map(|count| gauge.advance(count)))
            };
            let at_once = gauge.want(320);
            let due = shard.join().unwrap();
            assert!(
                at_once || due.contains(&true),
                "320 was reached and nobody said so"
            );
            assert!(!due[0], "160 is not what was waited for");
        });
    }

    #[test]
    fn a_wish_that_replaces_another_is_heard_too() {
        loom::model(|| {
            let gauge = Arc::new(Gauge::default());
            let shard = {
                let gauge = gauge.clone();
                loom::thread::spawn(move || [160, 320].map(|count| gauge.advance(count)))
            };
            let first = gauge.want(160);
            let second = gauge.want(320);
            let due = shard.join().unwrap();
            assert!(
                second || due[1],
                "320 was reached and nobody said so (first wish: {first}, due: {due:?})"
            );
        });
    }
}
