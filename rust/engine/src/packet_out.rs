//! `PacketOut`: sound encoded in the tick, in frames of 20 ms, for whoever sends packets.
//!
//! A frame is encoded in every second tick. Which one is the door's phase: with one half of a shard's doors in each, a tick
//! encodes half of the sessions, always the same ones, so that each one's packets keep their spacing.

use crate::counters::Counters;
use crate::door::{OutDoor, SendTime};
use crate::gauge::Gauge;
use crate::measure::Age;
use crate::pcm_out::PCM_OUT_CAPACITY_MS;
use crate::playout::MAX_OUT_FRAME_SAMPLES;
use crate::sound_ring::{SoundRing, SoundWriter, sound_ring};
use crate::time::TICK_MS;
use beluga_codec::{Effort, Encoder};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fmt;
use std::sync::Arc;

/// Packets that may wait to be sent: 640 ms. A sender that is further behind loses the newest, which is counted.
pub const PACKET_OUT_CAPACITY: usize = 32;
/// Room for a packet: speech at 24 kbit/s takes 60 bytes, variable bitrate some times as many at an onset.
const MAX_PACKET_BYTES: usize = 400;

/// A packet on its way to the sender.
#[derive(Clone, Copy)]
pub struct EncodedPacket {
    /// When it was due: the tick in which its last sample was.
    pub due_us: u64,
    /// Counts packets from 0. What was skipped leaves no gap in it, what the sender was too slow to take does.
    pub sequence: u16,
    /// Counts time from 0, on the codec's RTP clock.
    pub timestamp: u32,
    /// The first of a stretch: the first of all, and one behind what was skipped.
    pub marker: bool,
    len: usize,
    payload: [u8; MAX_PACKET_BYTES],
}

impl EncodedPacket {
    /// Its bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload[..self.len]
    }
}

impl fmt::Debug for EncodedPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedPacket")
            .field("sequence", &self.sequence)
            .field("timestamp", &self.timestamp)
            .field("marker", &self.marker)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The sender's side.
#[derive(Debug)]
pub struct PacketReader {
    packets: Consumer<EncodedPacket>,
    gauge: Arc<Gauge>,
    read: u64,
}

/// The shard's side.
#[derive(Debug)]
pub struct PacketOut {
    encoder: Box<dyn Encoder>,
    tap: SoundWriter,
    packets: Producer<EncodedPacket>,
    gauge: Arc<Gauge>,
    written: u64,
    phase: u64,
    /// Two ticks of sound, filled up to `filled`; none before the first tick.
    frame: Box<[i16]>,
    filled: Option<usize>,
    sequence: u16,
    timestamp: u32,
    timestamp_step: u32,
    marker: bool,
}

/// A door for `encoder`'s codec, whose RTP clock runs at `rtp_clock_hz`; its reader; and a ring of what goes in, for
/// recorders. Doors of even and of odd `phase` encode in turn.
///
/// # Panics
/// If the encoder's frames are not 20 ms, or not of a rate that the ring takes.
#[must_use]
pub fn packet_out(
    encoder: Box<dyn Encoder>,
    rtp_clock_hz: u32,
    phase: usize,
) -> (PacketReader, PacketOut, Arc<SoundRing>) {
    let frame_samples = encoder.frame_samples();
    assert!(
        frame_samples as u32 * 1_000 == encoder.sample_rate_hz() * 2 * TICK_MS
            && frame_samples <= 2 * MAX_OUT_FRAME_SAMPLES,
        "frames of {frame_samples} samples are not two ticks"
    );
    let (tap, ring) = sound_ring((encoder.sample_rate_hz() / 1_000 * PCM_OUT_CAPACITY_MS) as usize);
    let (packets_in, packets_out) = RingBuffer::new(PACKET_OUT_CAPACITY);
    let gauge = Arc::new(Gauge::default());
    let reader = PacketReader {
        packets: packets_out,
        gauge: gauge.clone(),
        read: 0,
    };
    let door = PacketOut {
        encoder,
        tap,
        packets: packets_in,
        gauge,
        written: 0,
        phase: phase as u64 % 2,
        frame: vec![0; frame_samples].into(),
        filled: None,
        sequence: 0,
        timestamp: 0,
        timestamp_step: rtp_clock_hz / 1_000 * 2 * TICK_MS,
        marker: true,
    };
    (reader, door, ring)
}

impl PacketReader {
    /// The next packet, to be sent at `now_us`; its age goes to `age_us`.
    pub fn pop(&mut self, now_us: u64, age_us: &Age) -> Option<EncodedPacket> {
        let packet = self.packets.pop().ok()?;
        self.read += 1;
        age_us.note(packet.due_us, now_us);
        Some(packet)
    }

    /// Asks to be told of the next packet; true if it is there already.
    #[must_use]
    pub fn want(&self) -> bool {
        self.gauge.want(self.read + 1)
    }
}

impl PacketOut {
    /// Keeps the tick's sound; true when the frame is full, which is in every second tick.
    fn keep(&mut self, frame: &[i16], due_us: u64) -> bool {
        // Whichever tick it begins in, a door encodes in those of its phase: before the first there was silence.
        let tick = due_us / (u64::from(TICK_MS) * 1_000);
        let half = self.frame.len() / 2;
        let filled = self
            .filled
            .unwrap_or(if tick % 2 == self.phase { half } else { 0 });
        self.frame[filled..filled + half].copy_from_slice(frame);
        let full = filled > 0;
        self.filled = Some(if full { 0 } else { half });
        full
    }

    fn encode(&mut self, due_us: u64, counters: &Counters) -> bool {
        let mut packet = EncodedPacket {
            due_us,
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker: self.marker,
            len: 0,
            payload: [0; MAX_PACKET_BYTES],
        };
        self.sequence = self.sequence.wrapping_add(1);
        let encoded = self.encoder.encode(&self.frame, &mut packet.payload);
        let sent = encoded.is_ok_and(|len| {
            packet.len = len;
            self.packets.push(packet).is_ok()
        });
        counters.packets_out_dropped.add(u64::from(!sent));
        self.marker = false;
        self.written += u64::from(sent);
        self.gauge.advance(self.written)
    }

    fn next_timestamp(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(self.timestamp_step);
    }

    fn note_depth(&self, counters: &Counters) {
        counters
            .packets_out_waiting
            .note(PACKET_OUT_CAPACITY - self.packets.slots());
    }
}

impl OutDoor for PacketOut {
    fn sample_rate_hz(&self) -> u32 {
        self.encoder.sample_rate_hz()
    }

    fn lead_ms(&self) -> u32 {
        0
    }

    fn send(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool {
        self.tap.write(frame);
        let mut wake = false;
        if self.keep(frame, time.due_us) {
            wake = self.encode(time.due_us, counters);
            self.next_timestamp();
        }
        self.note_depth(counters);
        wake
    }

    /// A frame that would have to be encoded now is not: its time passes, its number does not. Half of one that is encoded in
    /// the next tick is kept.
    fn skip(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool {
        let silence = [0; MAX_OUT_FRAME_SAMPLES];
        self.tap.write(&silence[..frame.len()]);
        if self.keep(frame, time.due_us) {
            self.next_timestamp();
            self.marker = true;
        }
        self.note_depth(counters);
        false
    }

    fn set_effort(&mut self, effort: Effort) {
        self.encoder.set_effort(effort);
    }
}
