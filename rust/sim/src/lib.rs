//! A network and a machine's clock, emulated from a seed: for tests, benches and `beluga_voice.testing` alone.
//!
//! Time is an argument, in microseconds on whatever axis the user keeps; nothing here reads a clock, opens a socket or
//! starts a thread. The same seed and the same calls give the same deliveries, on any one machine bit for bit.
//!
//! - [`Network`] carries packets one way: bottleneck with a queue, loss, duplication, delay, jitter, stalls, reordering.
//! - [`SenderClock`] is a sender whose crystal is off.
//! - [`TickSchedule`] says when a shard's ticks really begin on a machine that is busy, robbed or suspended.
//!
//! Each impairment draws from a stream of its own, so that turning one on or off leaves the others as they were: two runs
//! that differ in jitter lose the same packets.

mod bottleneck;
mod conditions;
mod gilbert_elliott;
mod jitter;
mod network;
mod pauses;
mod profile;
mod random;
mod sender_clock;
mod tick_schedule;

pub use conditions::{
    Bottleneck, Conditions, ConditionsError, GilbertElliott, Jitter, Pauses, Reordering,
};
pub use network::{Delivered, MAX_IN_FLIGHT_PACKETS, Network, NetworkStats, RTP_HEADERS_BYTES};
pub use profile::Profile;
pub use sender_clock::SenderClock;
pub use tick_schedule::{Host, Suspension, TickSchedule};
