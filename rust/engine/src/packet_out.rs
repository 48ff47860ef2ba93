//! `PacketOut`: sound encoded in the tick, in frames of 20 ms, for whoever sends packets.
//!
//! A frame is full in every second tick. Which one is the door's phase: with one half of a shard's doors in each, a tick
//! encodes half of the sessions, always the same ones, so that each one's packets keep their spacing. Frames follow one another
//! for as long as the call lasts, whether they are sent or not: timestamps are the wall clock on one grid of 20 ms, and no half
//! frame waits for the next utterance.
//!
//! Of silence next to nothing is encoded (`talk_spurts.rs`). Silence is a frame of zeros and nothing else: only what nobody can
//! tell from it may be left out, whoever made it, and whether an utterance is open is no matter: a voice that pauses with
//! zeros inside of one costs as little, while one that pauses with a breath or a hiss keeps it.

use crate::counters::Counters;
use crate::door::{OutDoor, SendTime};
use crate::gauge::Gauge;
use crate::measure::Age;
use crate::playout::MAX_OUT_FRAME_SAMPLES;
use crate::sound_ring::{SoundRing, SoundWriter, sound_ring};
use crate::talk_spurts::{Sent, TalkSpurts};
use crate::time::TICK_MS;
use beluga_codec::{CodecError, Effort, Encoder};
use beluga_dsp::level::{FLOOR_DBFS, rms_dbfs_i16};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fmt;
use std::sync::Arc;

/// Packets that may wait to be sent: 640 ms of speech. A sender that is further behind loses the newest, which is counted.
pub const PACKET_OUT_CAPACITY: usize = 32;
/// What the ring for recorders keeps; a slower reader loses the oldest and is told.
const TAP_CAPACITY_MS: u32 = 1_000;
/// Room for a packet: speech at 24 kbit/s takes 60 bytes, variable bitrate some times as many at an onset.
const MAX_PACKET_BYTES: usize = 400;
/// The level of silence.
const SILENCE_LEVEL: u8 = 127;
/// Half a frame.
const SILENCE: [i16; MAX_OUT_FRAME_SAMPLES] = [0; MAX_OUT_FRAME_SAMPLES];

/// A packet on its way to the sender.
#[derive(Clone, Copy)]
pub struct EncodedPacket {
    /// When it was due: the tick in which its last sample was.
    pub due_us: u64,
    /// Counts packets from 0. What was skipped leaves no gap in it, what the sender was too slow to take does.
    pub sequence: u16,
    /// Counts time from 0, on the codec's RTP clock: where its sound begins. It goes on in silence.
    pub timestamp: u32,
    /// The first of a talk spurt: the first of all, the first after silence that was not encoded, and one behind what was
    /// skipped.
    pub marker: bool,
    /// How loud its sound is, in dB below full scale: 0 to 127, which is silence. RFC 6464, section 3.
    pub level: u8,
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
            .field("level", &self.level)
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
    spurts: TalkSpurts,
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
    let (tap, ring) = sound_ring((encoder.sample_rate_hz() / 1_000 * TAP_CAPACITY_MS) as usize);
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
        spurts: TalkSpurts::new(),
        sequence: 0,
        timestamp: 0,
        timestamp_step: rtp_clock_hz / 1_000 * 2 * TICK_MS,
        marker: true,
    };
    (reader, door, ring)
}

/// As [`EncodedPacket::level`] has it.
fn level(frame: &[i16]) -> u8 {
    let dbfs = rms_dbfs_i16(frame);
    if dbfs <= FLOOR_DBFS {
        return SILENCE_LEVEL;
    }
    (-dbfs).round().clamp(0.0, SILENCE_LEVEL.into()) as u8
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

    /// Sends what is to be sent of the full frame.
    fn send_full(&mut self, due_us: u64, counters: &Counters) -> bool {
        let silent = self.frame.iter().fold(0, |bits, sample| bits | sample) == 0;
        let can_rest = self.encoder.silence_packet().is_some();
        match self.spurts.next(silent, can_rest) {
            Sent::Nothing => {}
            Sent::SilencePacket => self.send_silence(due_us, counters),
            Sent::Frame => self.encode_frame(due_us, counters),
            Sent::FrontAndFrame => {
                self.marker = true;
                self.encode_front(due_us, counters);
                self.encode_frame(due_us, counters);
            }
        }
        self.gauge.advance(self.written)
    }

    fn encode_frame(&mut self, due_us: u64, counters: &Counters) {
        let mut packet = self.number(due_us, self.timestamp);
        packet.level = level(&self.frame);
        let encoded = self.encoder.encode(&self.frame, &mut packet.payload);
        self.leave_encoded(packet, encoded, counters);
    }

    /// Half a frame of silence, right before the frame on the axis of time and in one burst with it.
    fn encode_front(&mut self, due_us: u64, counters: &Counters) {
        let timestamp = self.timestamp.wrapping_sub(self.timestamp_step / 2);
        let mut packet = self.number(due_us, timestamp);
        let front = &SILENCE[..self.frame.len() / 2];
        let encoded = self.encoder.encode(front, &mut packet.payload);
        self.leave_encoded(packet, encoded, counters);
    }

    fn send_silence(&mut self, due_us: u64, counters: &Counters) {
        let mut packet = self.number(due_us, self.timestamp);
        if let Some(payload) = self.encoder.silence_packet() {
            packet.payload[..payload.len()].copy_from_slice(payload);
            packet.len = payload.len();
            counters.packets_out_silent.add(1);
            self.leave(packet, counters);
        }
    }

    /// An empty packet with the next number.
    fn number(&mut self, due_us: u64, timestamp: u32) -> EncodedPacket {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        EncodedPacket {
            due_us,
            sequence,
            timestamp,
            marker: false,
            level: SILENCE_LEVEL,
            len: 0,
            payload: [0; MAX_PACKET_BYTES],
        }
    }

    fn leave_encoded(
        &mut self,
        mut packet: EncodedPacket,
        encoded: Result<usize, CodecError>,
        counters: &Counters,
    ) {
        packet.marker = std::mem::take(&mut self.marker);
        match encoded {
            Ok(len) => {
                packet.len = len;
                counters.packets_out_encoded.add(1);
                self.leave(packet, counters);
            }
            Err(_) => counters.packets_out_dropped.add(1),
        }
    }

    /// Leaves a packet for the sender.
    fn leave(&mut self, packet: EncodedPacket, counters: &Counters) {
        let left = self.packets.push(packet).is_ok();
        self.written += u64::from(left);
        counters.packets_out_dropped.add(u64::from(!left));
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
            wake = self.send_full(time.due_us, counters);
            self.next_timestamp();
        }
        self.note_depth(counters);
        wake
    }

    /// A frame that would have to be sent now is not: its time passes, its number does not. Half of one that is sent in the
    /// next tick is kept.
    fn skip(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool {
        self.tap.write(&SILENCE[..frame.len()]);
        if self.keep(frame, time.due_us) {
            self.spurts.skip();
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
