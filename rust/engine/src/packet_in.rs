//! `PacketIn`: packets through the jitter buffer, decoded when their sound is needed.

use crate::counters::Counters;
use crate::door::{EarFrame, InDoor};
use crate::time::EAR_HZ;
use beluga_codec::Decoder;
use beluga_dsp::pcm::to_f32;
use beluga_dsp::{Alignment, ResampleError, Resampler};
use beluga_jitter::{
    DelayBounds, JitterBuffer, JitterConfig, JitterConfigError, JitterStats, MAX_PAYLOAD_BYTES,
    Packet, PullOutcome,
};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fmt;

/// Packets held by the jitter buffer: over a second of 20 ms packets.
const HELD_PACKETS: usize = 64;
/// Packets on their way to the shard: as many, since what a network has held for a second comes between two ticks.
const QUEUE_PACKETS: usize = HELD_PACKETS;
/// And bytes of theirs: speech takes some 60 a packet, G.711 160. Each packet in its own place for the longest would walk
/// through 100 kB of every call.
const QUEUE_BYTES: usize = QUEUE_PACKETS * 256;

/// Why there is no such door.
#[derive(Debug, thiserror::Error)]
pub enum PacketInError {
    /// The jitter buffer's configuration.
    #[error(transparent)]
    Jitter(#[from] JitterConfigError),
    /// The decoder's rate.
    #[error(transparent)]
    Rate(#[from] ResampleError),
}

/// A payload that is too long for any speech packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payload has {size} bytes, at most {MAX_PAYLOAD_BYTES} are allowed")]
pub struct PayloadTooLong {
    /// Its bytes.
    pub size: usize,
}

struct Queued {
    arrival_us: u64,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload_bytes: usize,
}

/// Brings packets from the thread that received them.
pub struct PacketWriter {
    queue: Producer<Queued>,
    /// One after another, each written before it is told of in `queue`.
    payloads: Producer<u8>,
}

/// The shard's side.
pub struct PacketIn {
    queue: Consumer<Queued>,
    payloads: Consumer<u8>,
    payload: Box<[u8; MAX_PAYLOAD_BYTES]>,
    jitter: JitterBuffer,
    /// What of the jitter buffer is in the counters.
    told: JitterStats,
    resampler: Resampler,
    pcm: Box<[i16]>,
    source: Box<[f32]>,
}

impl fmt::Debug for PacketWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketWriter")
            .field("free", &self.queue.cached_slots())
            .finish()
    }
}

impl fmt::Debug for PacketIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketIn")
            .field("jitter", &self.jitter.stats())
            .finish_non_exhaustive()
    }
}

/// A door for packets of `decoder`'s codec, whose RTP clock runs at `rtp_clock_hz`. By how much they are delayed follows the
/// network, within `delay`.
///
/// # Errors
/// [`PacketInError`] names what is out of range.
pub fn packet_in(
    decoder: Box<dyn Decoder>,
    rtp_clock_hz: u32,
    delay: DelayBounds,
) -> Result<(PacketWriter, PacketIn), PacketInError> {
    let resampler = Resampler::new(decoder.sample_rate_hz(), EAR_HZ, Alignment::Delayed)?;
    let config = JitterConfig {
        delay,
        capacity_packets: HELD_PACKETS,
        rtp_clock_hz,
    };
    let jitter = JitterBuffer::new(config, decoder)?;
    let (queue_in, queue_out) = RingBuffer::new(QUEUE_PACKETS);
    let (payloads_in, payloads_out) = RingBuffer::new(QUEUE_BYTES);
    let frame = jitter.frame_samples();
    let door = PacketIn {
        queue: queue_out,
        payloads: payloads_out,
        payload: Box::new([0; MAX_PAYLOAD_BYTES]),
        told: jitter.stats(),
        jitter,
        resampler,
        pcm: vec![0; frame].into(),
        source: vec![0.0; frame].into(),
    };
    let writer = PacketWriter {
        queue: queue_in,
        payloads: payloads_in,
    };
    Ok((writer, door))
}

impl PacketWriter {
    /// Queues a packet; false if the queue is full (the shard is late), by number or by bytes, and it is dropped.
    ///
    /// # Errors
    /// [`PayloadTooLong`].
    pub fn push(&mut self, packet: Packet<'_>) -> Result<bool, PayloadTooLong> {
        let size = packet.payload.len();
        if size > MAX_PAYLOAD_BYTES {
            return Err(PayloadTooLong { size });
        }
        if self.queue.is_full() || self.payloads.push_entire_slice(packet.payload).is_err() {
            return Ok(false);
        }
        let queued = Queued {
            arrival_us: packet.arrival_us,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
            payload_bytes: size,
        };
        Ok(self.queue.push(queued).is_ok())
    }
}

/// Packets that came and were of no use.
fn dropped(stats: &JitterStats) -> u64 {
    stats.late_packets
        + stats.duplicate_packets
        + stats.malformed_packets
        + stats.undecodable_packets
        + stats.overflow_packets
        + stats.abandoned_packets
}

impl PacketIn {
    /// Adds what the jitter buffer has done since the last tick.
    fn tell(&mut self, counters: &Counters) {
        let (stats, told) = (self.jitter.stats(), self.told);
        self.told = stats;
        counters
            .packets_dropped
            .add(dropped(&stats) - dropped(&told));
        let received = |stats: JitterStats| stats.queued_packets + stats.overdue_packets;
        counters
            .packets_received
            .add(received(stats) - received(told));
        counters
            .packets_missed
            .add(stats.missing_packets - told.missing_packets);
        counters
            .packets_late
            .add(stats.overdue_packets - told.overdue_packets);
        // Of totals, so that nothing is lost in the rounding.
        let rate_hz = u64::from(self.jitter.sample_rate_hz());
        let at_ear = |samples: u64| samples * u64::from(EAR_HZ) / rate_hz;
        let since = |now: u64, before: u64| at_ear(now) - at_ear(before);
        counters
            .jitter_dropped_samples
            .add(since(stats.dropped_samples, told.dropped_samples));
        counters
            .jitter_repeated_samples
            .add(since(stats.repeated_samples, told.repeated_samples));
        counters.jitter_target_ms.note(stats.target_ms as usize);
        counters.jitter_delay_ms.note(stats.delay_ms as usize);
        counters.jitter_level_ms.note(stats.level_ms as usize);
    }
}

impl InDoor for PacketIn {
    fn pull(&mut self, now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool {
        counters.packets_waiting.note(self.queue.slots());
        while let Ok(packet) = self.queue.pop() {
            let payload = &mut self.payload[..packet.payload_bytes];
            let whole = self.payloads.pop_entire_slice(payload);
            debug_assert!(whole.is_ok(), "it was written before it was told of");
            counters.frame_age_in_us.note(packet.arrival_us, now_us);
            self.jitter.push(Packet {
                arrival_us: packet.arrival_us,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                ssrc: packet.ssrc,
                payload,
            });
        }
        match self.jitter.pull(now_us, &mut self.pcm) {
            PullOutcome::Decoded => {}
            PullOutcome::Concealed => counters.frames_concealed.add(1),
            PullOutcome::Silence => counters.input_starved_samples.add(frame.len() as u64),
        }
        self.tell(counters);
        to_f32(&self.pcm, &mut self.source);
        self.resampler.process(&self.source, frame);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use beluga_codec::MuLaw;

    #[test]
    fn long_packets_fill_the_queue_by_their_bytes_and_short_ones_by_their_number() {
        for (size, room) in [
            (MAX_PAYLOAD_BYTES, QUEUE_BYTES / MAX_PAYLOAD_BYTES),
            (160, QUEUE_PACKETS),
        ] {
            let decoder = Box::new(MuLaw::new());
            let (mut writer, mut door) =
                packet_in(decoder, 8_000, DelayBounds::default()).expect("a door");
            let payload = vec![0xff; size];
            let mut sequence = 0;
            // Twice, so that the ring of bytes has turned round.
            for _ in 0..2 {
                let mut taken = 0;
                let mut push = || {
                    sequence += 1;
                    let packet = Packet {
                        arrival_us: 0,
                        sequence,
                        timestamp: u32::from(sequence) * 160,
                        ssrc: 1,
                        payload: &payload,
                    };
                    writer.push(packet).expect("short enough")
                };
                while push() {
                    taken += 1;
                }
                assert_eq!(taken, room);
                door.pull(
                    0,
                    &mut [0.0; crate::time::EAR_FRAME_SAMPLES],
                    &Counters::default(),
                );
                assert_eq!(door.queue.slots(), 0);
                assert_eq!(door.payloads.slots(), 0);
            }
        }
    }
}
