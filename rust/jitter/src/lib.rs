//! Packets in, ten milliseconds of sound out.
//!
//! A [`JitterBuffer`] takes RTP payloads as they arrive, out of order, twice or not at all, and gives exactly 10 ms of sound
//! at each [`pull`](JitterBuffer::pull). A packet is decoded when its sound is needed, or up to 25 ms before where a period of
//! it may be left out. Time is an argument, in microseconds on the session's clock: the buffer reads no clock, owns no thread
//! and, once built, allocates nothing.
//!
//! The delay follows the network, within [`DelayBounds`]. It is counted from the quickest of the last packets, so that neither
//! the distance of the clocks nor their drift is in it; its target is the 0.95 quantile of what the packets of the last 2 s of
//! sound were later than that, and a tick. What a hold of the network brings at once counts as one.
//!
//! - A talk spurt begins at the target: the delay grows and shrinks in the pause before it, as far as there are pauses.
//! - Within a spurt it is brought to the target by a period of the sound at a time, dropped or repeated where the sound is most
//!   like itself, with a cross-fade: in quiet or steady sound at most once in 20 ms, in words once in 40 ms and only for an
//!   excess of more than 30 ms. Leaving out frames of low level alone would be simpler and never touch a word; but who talks
//!   on, or waits in a loud room, has none, and would keep for good what the first hold has cost.
//! - A packet that comes after its time is played whole, and so is what follows, later by as much: the delay is worked off as
//!   above, while a word that was dropped is lost. Only a packet that others behind it have overtaken is dropped.
//!
//! What it makes of what is not there:
//!
//! - A missing packet is concealed by its codec, for at most [`CONCEAL_LIMIT_MS`] on end; then comes silence, and the next
//!   packet begins a new spurt.
//! - A gap of timestamps which the missing sequence numbers do not explain is a pause of the sender (DTX, mute): silence,
//!   not loss.
//! - A packet of comfort ([`is_comfort`](beluga_codec::Decoder::is_comfort)) ends the spurt: silence that nobody made up. It
//!   begins none, and neither does the single frame of the room that Opus sends between two of them.
//! - The marker bit is not looked at: senders leave it out, and a spurt shows by its timestamps.
//!
//! How soon it recovers from a stream that breaks the rules:
//!
//! | the stream | what happens |
//! |---|---|
//! | new `ssrc` | buffer and decoder start again, with this packet, at the target |
//! | sequence numbers start elsewhere | start again with the second packet in order; one packet is lost |
//! | sequence numbers step back by 100 or fewer | dropped as late or duplicate until they have caught up: 100 packets at most |
//! | timestamps jump, by any amount either way | a new spurt at that packet: none is lost, none waits longer than the target |
//! | timestamps stand still in a pause | the same: after a jump of over 200 ms packets are measured against those behind it |
//! | all packets later by some amount from now on | heard whole, later by as much; within 2 s of sound that is no delay of ours |
//! | a hold of the network | at most [`CONCEAL_LIMIT_MS`] are made up, then silence; what it held is heard whole, and worked off |
//! | a clock that is off | a period dropped or repeated now and then: at 300 ppm, one in 50 s |
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
