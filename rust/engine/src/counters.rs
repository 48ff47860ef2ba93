//! What every queue and every tick did, readable from any thread.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Counters of one session. Written by the shard (or, where said, by the side that pushes), read by anyone.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Counter,)+ }

        impl Counters {
            /// Name and value of each, in a fixed order.
            #[must_use]
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)+]
            }
        }
    };
}

counters! {
    /// Ticks served.
    ticks,
    /// Windows judged by the voice activity detector.
    vad_windows,
    /// Samples of silence put in because the caller's side had nothing (at 16 kHz).
    input_starved_samples,
    /// Packets refused because the packet queue was full (by the pusher).
    packets_refused,
    /// Packets that could not be used: late, duplicate, malformed or overflowing the jitter buffer.
    packets_dropped,
    /// Frames of 10 ms made up for lost packets.
    frames_concealed,
    /// Ticks in which an utterance in progress had nothing to play.
    playout_gaps,
    /// Events lost because nobody drained them.
    events_dropped,
    /// Commands refused because the queue was full (by the sender).
    commands_refused,
    /// Changes of state that the table does not allow: 0, or a bug.
    illegal_transitions,
}

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
