//! Packets in, ten milliseconds of sound out.
//!
//! A [`JitterBuffer`] takes RTP payloads as they arrive, out of order, twice or not at all, and gives exactly 10 ms of sound
//! at each [`pull`](JitterBuffer::pull). A packet is decoded only when its sound is needed. Time is an argument, in
//! microseconds on the session's clock: the buffer reads no clock, owns no thread and, once built, allocates nothing.
//!
//! The delay is fixed: a talk spurt begins `target_ms` after its first packet arrived, and keeps that pace to its end.
//!
//! What it makes of what is not there:
//!
//! - A missing packet is concealed by its codec, for at most [`CONCEAL_LIMIT_MS`] on end; then comes silence, and the next
//!   packet begins a new spurt.
//! - A gap of timestamps which the missing sequence numbers do not explain is a pause of the sender (DTX, mute): silence,
//!   not loss. What follows is a new spurt, with its delay measured anew.
//! - A packet whose sound is over is late and dropped; of one that comes half-way the rest is played.
//!
//! How soon it recovers from a stream that breaks the rules:
//!
//! | the stream | what happens |
//! |---|---|
//! | new `ssrc` | buffer and decoder start again, with this packet |
//! | sequence numbers start elsewhere | start again with the second packet in order; one packet is lost |
//! | sequence numbers step back by 100 or fewer | dropped as late or duplicate until they have caught up: 100 packets at most |
//! | timestamps jump, by any amount either way | a new spurt at that packet: none is lost, none waits longer than `target_ms` |
//! | all packets later than `target_ms` from now on | a new spurt after [`LATE_LIMIT_MS`] of late packets, or [`CONCEAL_LIMIT_MS`] of concealment |
//! | arrival times in the future | taken as the time of the first pull that sees them |
//! | more packets than there are slots | the oldest is dropped and its time skipped: delay is bounded by `capacity_packets` |

mod arrivals;
mod buffer;
mod carry;
mod concealment;
mod config;
mod history;
mod media_clock;
mod numbering;
mod pace;
mod packet;
mod period;
mod playout;
mod sample_axis;
mod stats;
mod store;

pub use buffer::{JitterBuffer, PullOutcome, RETIRED_SSRC_MS};
pub use concealment::CONCEAL_LIMIT_MS;
pub use config::{
    DelayBounds, JitterConfig, JitterConfigError, MAX_CAPACITY_PACKETS, MAX_DELAY_MS,
};
pub use packet::{MAX_PAYLOAD_BYTES, Packet, PushOutcome};
pub use stats::JitterStats;
