//! What every queue and every tick of a session did, readable from any thread.

use crate::measure::{Age, Counter, Depth, Measure};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $measure:ty,)+) => {
        /// What is measured of one session. Written by the shard (or, where said, by the side that pushes or takes), read by
        /// anyone.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: $measure,)+ }

        impl Counters {
            /// Name and value of each reading, in a fixed order.
            #[must_use]
            pub fn snapshot(&self) -> Vec<(String, u64)> {
                let mut readings = Vec::new();
                $(self.$name.read(stringify!($name), &mut readings);)+
                readings
            }
        }
    };
}

counters! {
    /// Ticks served.
    ticks: Counter,
    /// Windows judged by the voice activity detector.
    vad_windows: Counter,
    /// Samples of silence put in because the caller's side had nothing (at 16 kHz).
    input_starved_samples: Counter,
    /// Samples of quiet left out because the caller's side had been late and had made up for it (at 16 kHz).
    input_caught_up_samples: Counter,
    /// Packets refused because the packet queue was full (by the pusher).
    packets_refused: Counter,
    /// Packets that could not be used: late, duplicate, malformed, overflowing the jitter buffer, or of a stream that ended.
    packets_dropped: Counter,
    /// Packets of the caller's sound that came, each once, in time or after they were missed.
    packets_received: Counter,
    /// Sequence numbers of his whose turn came and whose packets had not come.
    packets_missed: Counter,
    /// Those of them that came after all: they are not lost.
    packets_late: Counter,
    /// Frames of 10 ms made up for lost packets.
    frames_concealed: Counter,
    /// Samples of the caller that the jitter buffer left out to lower its delay, periods of the sound at a time (at 16 kHz).
    jitter_dropped_samples: Counter,
    /// Samples of the caller that the jitter buffer gave twice to raise its delay (at 16 kHz).
    jitter_repeated_samples: Counter,
    /// Ticks in which an utterance in progress had nothing to play.
    playout_gaps: Counter,
    /// Frames of 10 ms that were owed for over 20 ms and therefore skipped.
    frames_skipped: Counter,
    /// Those of them in which the agent would have been heard.
    audible_frames_skipped: Counter,
    /// Unbroken runs of those: each is heard as one gap.
    audible_gaps: Counter,
    /// Packets of the agent that were encoded, of silence too.
    packets_out_encoded: Counter,
    /// Packets of the agent that stand for silence which was not encoded.
    packets_out_silent: Counter,
    /// Packets of the agent lost because the sender was too slow to take them.
    packets_out_dropped: Counter,
    /// Events lost because nobody drained them.
    events_dropped: Counter,
    /// Commands refused because the queue was full (by the sender).
    commands_refused: Counter,
    /// Changes of state that the table does not allow: 0, or a bug.
    illegal_transitions: Counter,
    /// From a packet's arrival, or a sample's push, to the tick that read it.
    frame_age_in_us: Age,
    /// From the time a frame was due to its being sent (by the sender, where packets are sent).
    frame_age_out_us: Age,
    /// Samples of the caller that wait in the door, at the rate at which they were written.
    input_waiting_samples: Depth,
    /// Packets of the caller that wait to be taken over by the jitter buffer.
    packets_waiting: Depth,
    /// By how much the jitter buffer is to delay the caller over the quickest packet, in milliseconds.
    jitter_target_ms: Depth,
    /// By how much it did, when last something was heard.
    jitter_delay_ms: Depth,
    /// Sound of the caller that it holds, in milliseconds.
    jitter_level_ms: Depth,
    /// Samples of the agent that wait to be played, at the rate at which they were written.
    mouth_waiting_samples: Depth,
    /// Packets of the agent that wait to be sent.
    packets_out_waiting: Depth,
    /// Events that wait to be drained.
    events_waiting: Depth,
}
