//! What the tests of the engine share: a caller made of sums, a call on a virtual clock, and the laws of its events.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod busy_shard;
pub mod call;
pub mod caller;
pub mod laws;
pub mod models;
pub mod relay;

/// Samples at 16 kHz in `ms`.
pub const fn ms(ms: u64) -> u64 {
    ms * 16
}
