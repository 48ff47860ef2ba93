//! A sender whose crystal is off.

use crate::conditions::ConditionsError;

/// A clock that runs `drift_ppm` faster than ours, slower where it is negative: a sender who means to send every 20 ms
/// sends every 20 ms of *his*. A crystal is off by up to 100 ppm: 6 ms a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SenderClock {
    drift_ppm: f64,
}

impl SenderClock {
    /// A clock that is off by so much, from -100,000 to 100,000.
    ///
    /// # Errors
    /// A drift that no clock has.
    pub fn new(drift_ppm: f64) -> Result<Self, ConditionsError> {
        if (-100_000.0..=100_000.0).contains(&drift_ppm) {
            return Ok(Self { drift_ppm });
        }
        Err(ConditionsError {
            field: "drift_ppm",
            value: drift_ppm,
            allowed: "-100000 to 100000",
        })
    }

    /// How much of our time passes while `sender_us` of the sender's do.
    #[must_use]
    pub fn our_us(&self, sender_us: u64) -> u64 {
        (sender_us as f64 / (1.0 + self.drift_ppm * 1e-6)).round() as u64
    }
}
