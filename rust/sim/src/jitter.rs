//! How much longer than the one before a packet takes.

use crate::conditions::Jitter;
use crate::random::Random;

/// No packet is held back for longer, however heavy the tail.
const LONGEST_US: f64 = 10e6;

#[derive(Debug)]
pub(crate) struct JitterSource {
    shape: Jitter,
    random: Random,
    /// A first-order autoregressive process of variance 1.
    state: f64,
}

impl JitterSource {
    pub(crate) fn new(shape: Jitter, mut random: Random) -> Self {
        let state = random.normal();
        Self {
            shape,
            random,
            state,
        }
    }

    /// What the next packet takes above the least.
    pub(crate) fn next_us(&mut self) -> u64 {
        let Jitter {
            median_us,
            sigma,
            correlation,
        } = self.shape;
        let fresh = (1.0 - correlation * correlation).sqrt() * self.random.normal();
        self.state = correlation * self.state + fresh;
        (median_us as f64 * (sigma * self.state).exp()).min(LONGEST_US) as u64
    }
}
