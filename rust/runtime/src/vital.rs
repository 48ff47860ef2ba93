//! Threads without which the process had better end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a process lives on after such a thread died, so that it can say so.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// Runs what a thread is there for. If it panics, calls are mute or cannot be ended: better to die and be restarted than to
/// seem alive.
pub(crate) fn vital(unhealthy: &AtomicBool, work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        unhealthy.store(true, Ordering::Release);
        std::thread::sleep(LAST_WORDS);
        std::process::abort();
    }
}
