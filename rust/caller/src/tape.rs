//! Something said, encoded once: packets with their places in time, as a session's door would have sent them.

use beluga_codec::{CodecError, Encoder, OpusEncoder, OpusEncoderConfig};
use beluga_dsp::level::rms_dbfs_i16;
use beluga_engine::{
    Counters, ENCODED_SILENT_FRAMES, EncodedPacket, OutDoor, PacketReader, SendTime, TICK_MS,
    packet_out,
};
use std::ops::Range;

/// From packet to packet, in microseconds.
pub(crate) const FRAME_US: u64 = 20_000;
/// RTP time of Opus. RFC 7587, section 4.1.
pub(crate) const RTP_HZ: u32 = 48_000;
/// A frame in it.
pub(crate) const RTP_FRAME: u32 = RTP_HZ / 50;
pub(crate) const TICK_US: u64 = TICK_MS as u64 * 1_000;
/// Silent frames before and after: after so many the door rests.
const SILENT_FRAMES: usize = ENCODED_SILENT_FRAMES as usize + 1;
/// Louder than this over 10 ms is a voice, in dB below full scale.
pub(crate) const VOICE_DBFS: f32 = -45.0;

/// Why there is no such tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TapeError {
    /// The encoder refused its configuration.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A packet was lost on its way, being longer than a door takes.
    #[error(
        "{0} packets of the tape are longer than a packet may be; a lower bitrate makes them shorter"
    )]
    TooLong(u64),
}

/// See the module. Its frames begin with the sound and end when the sender rests.
#[derive(Debug)]
pub struct Tape {
    packets: Vec<EncodedPacket>,
    /// Packets of each frame of 20 ms; timestamps count from its first.
    frames: Vec<Range<usize>>,
    /// From the first voice to the end of the last, in microseconds from the first frame.
    voice_us: Option<Range<u64>>,
    silent: EncodedPacket,
    rest: EncodedPacket,
}

impl Tape {
    /// Encodes `pcm`, which may be empty: then it is a tape of the silence that a stream begins with.
    ///
    /// # Errors
    /// [`TapeError`].
    pub fn encode(pcm: &[i16], config: OpusEncoderConfig) -> Result<Self, TapeError> {
        let encoder = OpusEncoder::new(config)?;
        let half = encoder.frame_samples() / 2;
        let (mut reader, mut door, _) = packet_out(Box::new(encoder), RTP_HZ, 0);
        let mut recorder = Recorder {
            reader: &mut reader,
            counters: Counters::default(),
            packets: Vec::new(),
            // Of phase 0, so that a frame begins with an odd tick.
            tick: 1,
        };
        // The decoder at the other end knows silence before the first sound, and the door rests before it.
        let mut begin = Vec::new();
        for _ in 0..SILENT_FRAMES {
            begin.push(recorder.frame(&mut door, &vec![0; 2 * half]));
        }
        let (silent, rest) = (recorder.last_of(&begin, 2)?, recorder.last_of(&begin, 1)?);
        let mut frames = Vec::new();
        for frame in pcm.chunks(2 * half) {
            let mut whole = vec![0; 2 * half];
            whole[..frame.len()].copy_from_slice(frame);
            frames.push(recorder.frame(&mut door, &whole));
        }
        if pcm.is_empty() {
            frames = begin;
        } else {
            for _ in 0..SILENT_FRAMES {
                frames.push(recorder.frame(&mut door, &vec![0; 2 * half]));
            }
        }
        let dropped = recorder.counters.packets_out_dropped.get();
        if dropped > 0 {
            return Err(TapeError::TooLong(dropped));
        }
        let mut packets = recorder.packets;
        let begin = if pcm.is_empty() {
            0
        } else {
            SILENT_FRAMES as u32
        };
        for packet in &mut packets {
            packet.timestamp = packet.timestamp.wrapping_sub(begin * RTP_FRAME);
        }
        Ok(Self {
            packets,
            frames,
            voice_us: voice(pcm, half),
            silent,
            rest,
        })
    }

    /// How long it is with the silence that ends it, in frames of 20 ms.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames.len() as u64
    }

    /// From the first voice to the end of the last, in microseconds from the beginning; none if it is silent.
    #[must_use]
    pub fn voice_us(&self) -> Option<Range<u64>> {
        self.voice_us.clone()
    }

    /// What goes out in a frame's time; nothing behind the end. Timestamps count from the tape's beginning.
    pub(crate) fn frame(&self, index: u64) -> &[EncodedPacket] {
        let range = usize::try_from(index)
            .ok()
            .and_then(|index| self.frames.get(index));
        range.map_or(&[], |range| &self.packets[range.clone()])
    }

    /// A frame of silence, encoded.
    pub(crate) fn silent(&self) -> &EncodedPacket {
        &self.silent
    }

    /// The packet that says that nothing was lost.
    pub(crate) fn rest(&self) -> &EncodedPacket {
        &self.rest
    }
}

struct Recorder<'a> {
    reader: &'a mut PacketReader,
    counters: Counters,
    packets: Vec<EncodedPacket>,
    tick: u64,
}

impl Recorder<'_> {
    /// Puts 20 ms through the door; the packets that came of it.
    fn frame(&mut self, door: &mut impl OutDoor, pcm: &[i16]) -> Range<usize> {
        let first = self.packets.len();
        for half in pcm.chunks(pcm.len() / 2) {
            let now_us = self.tick * TICK_US;
            self.tick += 1;
            let time = SendTime {
                due_us: now_us,
                now_us,
            };
            door.send(half, time, &self.counters);
        }
        let age = &self.counters.frame_age_out_us;
        while let Some(packet) = self.reader.pop(0, age) {
            self.packets.push(packet);
        }
        first..self.packets.len()
    }

    /// The last packet of the frame that is `back` from the end.
    fn last_of(&self, frames: &[Range<usize>], back: usize) -> Result<EncodedPacket, TapeError> {
        let lost = TapeError::TooLong(self.counters.packets_out_dropped.get());
        let range = frames
            .len()
            .checked_sub(back)
            .map(|index| frames[index].clone());
        let mut packet = range
            .and_then(|range| self.packets[range].last().copied())
            .ok_or(lost)?;
        packet.timestamp = 0;
        Ok(packet)
    }
}

fn voice(pcm: &[i16], ten_ms: usize) -> Option<Range<u64>> {
    let voiced = |frame: &[i16]| rms_dbfs_i16(frame) > VOICE_DBFS;
    let first = pcm.chunks(ten_ms).position(voiced)?;
    let last = pcm.chunks(ten_ms).rposition(voiced)?;
    Some(first as u64 * TICK_US..(last as u64 + 1) * TICK_US)
}
