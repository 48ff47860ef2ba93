//! How late ticks began: buckets that a reader makes any percentile of.

use crate::measure::{Counter, Peak};

/// Upper ends of the buckets in microseconds; what is later than the last is in one more bucket.
pub const LATENESS_BOUNDS_US: [u64; 11] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
];

/// See the module. Written by the shard, read by anyone.
#[derive(Debug, Default)]
pub struct Lateness {
    counts: [Counter; LATENESS_BOUNDS_US.len() + 1],
    sum_us: Counter,
    max_us: Peak,
}

impl Lateness {
    /// A tick began so late.
    pub fn note(&self, late_us: u64) {
        let bucket = LATENESS_BOUNDS_US.partition_point(|&bound_us| bound_us < late_us);
        self.counts[bucket].add(1);
        self.sum_us.add(late_us);
        self.max_us.note(late_us);
    }

    /// Ticks of each bucket: later than the bound before it, no later than its own.
    #[must_use]
    pub fn counts(&self) -> [u64; LATENESS_BOUNDS_US.len() + 1] {
        std::array::from_fn(|bucket| self.counts[bucket].get())
    }

    /// The sum over all ticks.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us.get()
    }

    /// The latest.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.max_us.get()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_tick_is_in_the_bucket_whose_bound_it_does_not_pass() {
        let lateness = Lateness::default();
        for late_us in [0, 50, 51, 20_000, 20_001, 100_000, 100_001, 9_000_000] {
            lateness.note(late_us);
        }
        assert_eq!(lateness.counts(), [2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(lateness.max_us(), 9_000_000);
        assert_eq!(lateness.sum_us(), 9_240_103);
    }
}
