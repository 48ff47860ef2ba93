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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::{Duration, Instant};

    /// Run by the test below, in a process of its own: a failed assertion ends it by a code, an abort by a signal.
    #[test]
    #[ignore = "ends the process"]
    fn ends_the_process() {
        static UNHEALTHY: AtomicBool = AtomicBool::new(false);
        std::thread::spawn(|| vital(&UNHEALTHY, || panic!("a test wants it")));
        let started = Instant::now();
        while !UNHEALTHY.load(Ordering::Acquire) && started.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        assert!(UNHEALTHY.load(Ordering::Acquire), "nobody knows");
        std::thread::sleep(Duration::from_secs(60));
        unreachable!("it lives on");
    }

    #[test]
    fn a_process_whose_vital_thread_panics_knows_it_and_ends() {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "vital::tests::ends_the_process",
                "--ignored",
                "--nocapture",
            ])
            .output()
            .expect("a process");
        // By abort: a failed test would be an ordinary exit.
        assert_eq!(child.status.code(), None, "{child:?}");
    }

    #[test]
    fn work_that_ends_well_leaves_the_process_alone() {
        let unhealthy = AtomicBool::new(false);
        let mut done = false;
        vital(&unhealthy, || done = true);
        assert!(done && !unhealthy.load(Ordering::Acquire));
    }
}
