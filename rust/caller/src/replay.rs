//! What a caller heard, made afterwards from the packets that were kept.

use crate::ear::Kept;
use crate::tape::{RTP_HZ, TICK_US};
use beluga_codec::{CodecError, OpusDecoder};
use beluga_dsp::pcm::to_i16;
use beluga_engine::{
    Counters, DelayBounds, EAR_FRAME_SAMPLES, EAR_HZ, InDoor, PacketInError, packet_in,
};

/// Played on after the last packet: as long as the jitter buffer may hold one back.
const TAIL_US: u64 = 300_000;

/// Why nothing can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No decoder.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// No jitter buffer.
    #[error(transparent)]
    Door(#[from] PacketInError),
}

/// What a listener heard of packets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Mono at 16 kHz.
    pub samples: Vec<i16>,
    /// When the first of them was heard, on the clock of the arrivals, in microseconds.
    pub began_us: u64,
    /// Frames of 10 ms that the decoder made up.
    pub concealed_frames: u64,
    /// Packets that came too late, twice or broken.
    pub dropped_packets: u64,
}

/// Plays packets, in the order of their arrival, through a jitter buffer and decoder as a session has them: in no time, and always
/// the same.
///
/// # Errors
/// [`ReplayError`] when memory is short.
pub fn replay(packets: &[Kept], delay: DelayBounds) -> Result<Replayed, ReplayError> {
    let (Some(first), Some(last)) = (packets.first(), packets.last()) else {
        return Ok(Replayed::default());
    };
    let (mut writer, mut door) = packet_in(Box::new(OpusDecoder::new(EAR_HZ)?), RTP_HZ, delay)?;
    let counters = Counters::default();
    let mut replayed = Replayed {
        began_us: first.arrival_us,
        ..Replayed::default()
    };
    let mut packets = packets.iter().peekable();
    let mut refused = 0;
    let mut now_us = first.arrival_us;
    while now_us <= last.arrival_us + TAIL_US {
        if now_us <= last.arrival_us {
            // Behind the last packet everything is made up.
            replayed.concealed_frames = counters.frames_concealed.get();
        }
        while let Some(packet) = packets.next_if(|packet| packet.arrival_us <= now_us) {
            refused += u64::from(writer.push(packet.packet()) != Ok(true));
        }
        let mut frame = [0.0; EAR_FRAME_SAMPLES];
        let mut pcm = [0; EAR_FRAME_SAMPLES];
        door.pull(now_us, &mut frame, &counters);
        to_i16(&frame, &mut pcm);
        replayed.samples.extend(pcm);
        now_us += TICK_US;
    }
    replayed.dropped_packets = counters.packets_dropped.get() + refused;
    Ok(replayed)
}
