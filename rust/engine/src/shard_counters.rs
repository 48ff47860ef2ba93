//! What a shard did, readable from any thread.

use crate::lateness::Lateness;
use crate::measure::{Counter, Depth};
use crate::overload::OverloadStep;
use std::sync::atomic::{AtomicU8, Ordering};

/// Written by the shard.
#[derive(Debug, Default)]
pub struct ShardCounters {
    /// Ticks served.
    pub ticks: Counter,
    /// Ticks that began a whole tick late or more.
    pub late_ticks: Counter,
    /// How late each tick began.
    pub lateness: Lateness,
    /// Microseconds spent in ticks.
    pub busy_us: Counter,
    /// Ticks whose frames were owed for so long that all sessions skipped them.
    pub ticks_skipped: Counter,
    /// The same, in frames of sessions.
    pub frames_skipped: Counter,
    /// Peers driven beside the sessions.
    pub peers: Depth,
    /// Peers ended because their own code failed.
    pub peers_failed: Counter,
    step: AtomicU8,
    entered: [Counter; OverloadStep::UP.len()],
}

impl ShardCounters {
    /// How far up the ladder the shard is.
    #[must_use]
    pub fn step(&self) -> OverloadStep {
        let step = self.step.load(Ordering::Relaxed);
        OverloadStep::UP
            .into_iter()
            .rfind(|&known| known as u8 <= step)
            .unwrap_or_default()
    }

    /// How often each step was entered from below, in the order of [`OverloadStep::UP`].
    #[must_use]
    pub fn entered(&self) -> [u64; OverloadStep::UP.len()] {
        std::array::from_fn(|step| self.entered[step].get())
    }

    pub(crate) fn publish(
        &self,
        step: OverloadStep,
        entered: impl IntoIterator<Item = OverloadStep>,
    ) {
        self.step.store(step as u8, Ordering::Relaxed);
        for step in entered {
            self.entered[step as usize - 1].add(1);
        }
    }
}
