//! The kinds of measure: a count, a depth, an age.
//!
//! One thread writes each of them and any thread reads it; nothing here waits.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something that can be read by name.
pub(crate) trait Measure {
    /// Appends what is read of it; names begin with `name`.
    fn read(&self, name: &str, readings: &mut Vec<(String, u64)>);
}

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        // Most of what is counted in every tick is nothing: then no core has to own the line.
        if n > 0 {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Measure for Counter {
    fn read(&self, name: &str, readings: &mut Vec<(String, u64)>) {
        readings.push((name.to_owned(), self.get()));
    }
}

/// The greatest value so far.
#[derive(Debug, Default)]
pub struct Peak(AtomicU64);

impl Peak {
    /// Takes a value into account.
    pub fn note(&self, value: u64) {
        // One writer: looking first saves a locked instruction in nearly every tick.
        if value > self.get() {
            self.0.fetch_max(value, Ordering::Relaxed);
        }
    }

    /// The greatest.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How much waits in a queue, or how long something waits, looked at once a tick.
#[derive(Debug, Default)]
pub struct Depth {
    now: AtomicU64,
    max: Peak,
}

impl Depth {
    /// So much waits now.
    pub fn note(&self, waiting: usize) {
        self.now.store(waiting as u64, Ordering::Relaxed);
        self.max.note(waiting as u64);
    }

    /// How much waits, and the most that ever did.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.now.load(Ordering::Relaxed), self.max.get())
    }
}

impl Measure for Depth {
    fn read(&self, name: &str, readings: &mut Vec<(String, u64)>) {
        let (now, max) = self.get();
        readings.push((name.to_owned(), now));
        readings.push((format!("{name}_max"), max));
    }
}

/// How old something was when its time came, in microseconds: enough for mean and maximum.
#[derive(Debug, Default)]
pub struct Age {
    count: Counter,
    sum: Counter,
    max: Peak,
}

impl Age {
    /// One more, from `since_us` to `now_us`.
    pub fn note(&self, since_us: u64, now_us: u64) {
        let age_us = now_us.saturating_sub(since_us);
        self.count.add(1);
        self.sum.add(age_us);
        self.max.note(age_us);
    }

    /// How many, the sum and the greatest.
    #[must_use]
    pub fn get(&self) -> (u64, u64, u64) {
        (self.count.get(), self.sum.get(), self.max.get())
    }
}

impl Measure for Age {
    fn read(&self, name: &str, readings: &mut Vec<(String, u64)>) {
        let (count, sum, max) = self.get();
        readings.push((format!("{name}_count"), count));
        readings.push((format!("{name}_sum"), sum));
        readings.push((format!("{name}_max"), max));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn read(measure: &impl Measure) -> Vec<(String, u64)> {
        let mut readings = Vec::new();
        measure.read("x", &mut readings);
        readings
    }

    #[test]
    fn a_depth_is_what_waits_and_the_most_that_ever_did() {
        let depth = Depth::default();
        [3, 7, 2]
            .into_iter()
            .for_each(|waiting| depth.note(waiting));
        assert_eq!(read(&depth), [("x".into(), 2), ("x_max".into(), 7)]);
    }

    #[test]
    fn an_age_gives_mean_and_maximum_and_is_never_negative() {
        let age = Age::default();
        age.note(100, 130);
        age.note(100, 110);
        age.note(100, 90);
        let expected = [("x_count", 3), ("x_sum", 40), ("x_max", 30)];
        assert_eq!(
            read(&age),
            expected.map(|(name, value)| (name.to_owned(), value))
        );
    }
}
