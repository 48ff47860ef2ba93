//! `PacketIn`: packets through the jitter buffer, decoded when their sound is needed.

use crate::counters::Counters;
use crate::door::{EarFrame, InDoor};
use crate::time::EAR_HZ;
use beluga_codec::Decoder;
use beluga_dsp::pcm::to_f32;
use beluga_dsp::{Alignment, ResampleError, Resampler};
use beluga_jitter::{
    JitterBuffer, JitterConfig, JitterConfigError, MAX_PAYLOAD_BYTES, Packet, PullOutcome,
    PushOutcome,
};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fmt;

/// Packets on their way to the shard: 640 ms of 20 ms packets.
const QUEUE_PACKETS: usize = 32;
/// Packets held by the jitter buffer: over a second of 20 ms packets.
const HELD_PACKETS: usize = 64;

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
    len: usize,
    payload: [u8; MAX_PAYLOAD_BYTES],
}

/// Brings packets from the thread that received them.
pub struct PacketWriter(Producer<Queued>);

/// The shard's side.
pub struct PacketIn {
    queue: Consumer<Queued>,
    jitter: JitterBuffer,
    resampler: Resampler,
    pcm: Box<[i16]>,
    source: Box<[f32]>,
}

impl fmt::Debug for PacketWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketWriter")
            .field("free", &self.0.cached_slots())
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

/// A door for packets of `decoder`'s codec, whose RTP clock runs at `rtp_clock_hz`, played `target_ms` after they came.
///
/// # Errors
/// [`PacketInError`] names what is out of range.
pub fn packet_in(
    decoder: Box<dyn Decoder>,
    rtp_clock_hz: u32,
    target_ms: u32,
) -> Result<(PacketWriter, PacketIn), PacketInError> {
    let resampler = Resampler::new(decoder.sample_rate_hz(), EAR_HZ, Alignment::Delayed)?;
    let config = JitterConfig {
        target_ms,
        capacity_packets: HELD_PACKETS,
        rtp_clock_hz,
    };
    let jitter = JitterBuffer::new(config, decoder)?;
    let (queue_in, queue_out) = RingBuffer::new(QUEUE_PACKETS);
    let frame = jitter.frame_samples();
    let door = PacketIn {
        queue: queue_out,
        jitter,
        resampler,
        pcm: vec![0; frame].into(),
        source: vec![0.0; frame].into(),
    };
    Ok((PacketWriter(queue_in), door))
}

impl PacketWriter {
    /// Queues a packet that came at `arrival_us`; false if the queue is full (the shard is late) and it is dropped.
    ///
    /// # Errors
    /// [`PayloadTooLong`].
    pub fn push(
        &mut self,
        arrival_us: u64,
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
        payload: &[u8],
    ) -> Result<bool, PayloadTooLong> {
        let len = payload.len();
        let mut kept = [0; MAX_PAYLOAD_BYTES];
        kept.get_mut(..len)
            .ok_or(PayloadTooLong { size: len })?
            .copy_from_slice(payload);
        Ok(self
            .0
            .push(Queued {
                arrival_us,
                sequence,
                timestamp,
                ssrc,
                len,
                payload: kept,
            })
            .is_ok())
    }
}

impl InDoor for PacketIn {
    fn pull(&mut self, now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool {
        counters.packets_waiting.note(self.queue.slots());
        while let Ok(packet) = self.queue.pop() {
            counters.frame_age_in_us.note(packet.arrival_us, now_us);
            let outcome = self.jitter.push(Packet {
                arrival_us: packet.arrival_us,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                ssrc: packet.ssrc,
                payload: &packet.payload[..packet.len],
            });
            counters
                .packets_dropped
                .add(u64::from(outcome != PushOutcome::Queued));
        }
        match self.jitter.pull(now_us, &mut self.pcm) {
            PullOutcome::Decoded => {}
            PullOutcome::Concealed => counters.frames_concealed.add(1),
            PullOutcome::Silence => counters.input_starved_samples.add(frame.len() as u64),
        }
        to_f32(&self.pcm, &mut self.source);
        self.resampler.process(&self.source, frame);
        false
    }
}
