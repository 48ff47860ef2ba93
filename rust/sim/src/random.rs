//! Random numbers of the shapes that networks have.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;
use std::f64::consts::TAU;

/// What a stream of numbers is for. Streams of one seed are independent of each other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Loss = 1,
    Jitter,
    Stalls,
    Duplication,
    Reordering,
    Wakeups,
    Steal,
}

/// One stream. PCG: small, good, with streams of its own, and its values are promised never to change.
#[derive(Debug, Clone)]
pub(crate) struct Random(Pcg64);

impl Random {
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        Self(Pcg64::new(u128::from(seed), purpose as u128))
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        // The 53 bits that a double holds.
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Mean 0, variance 1 (G. Box, M. Muller, "A note on the generation of random normal deviates", 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// Of this mean: the time to the next event of a Poisson process.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// Between two bounds, each octave as likely as any other: mostly short, now and then very long.
    pub(crate) fn log_uniform(&mut self, shortest: f64, longest: f64) -> f64 {
        shortest * (longest / shortest).powf(self.uniform())
    }
}
