//! A decoder whose sound names its packet, a sender, and a session that pushes and pulls in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use beluga_codec::{CodecError, Decoder};
use beluga_jitter::{DelayBounds, JitterBuffer, JitterConfig, Packet, PullOutcome, PushOutcome};

pub const RATE_HZ: u32 = 16_000;
pub const CLOCK_HZ: u32 = 48_000;
pub const TICK_US: u64 = 10_000;
pub const FRAME: usize = 160;
/// What concealment sounds like: below 0 even at the end of its fade. Packets have positive numbers.
pub const MADE_UP: i16 = -10_000;
pub const SSRC: u32 = 0xb1;

/// Decodes a payload of `[kind, id, id, ms]` to `ms` milliseconds of samples of the value `id`.
#[derive(Debug, Default)]
pub struct NamingDecoder {
    pub decoded: Arc<AtomicUsize>,
    pub resets: Arc<AtomicUsize>,
}

const SOUND: u8 = 0;
const SPOILT: u8 = 1;
const COMFORT: u8 = 2;

fn refused() -> CodecError {
    CodecError::MalformedPacket
}

impl Decoder for NamingDecoder {
    fn sample_rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn packet_samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        match payload {
            [_, _, _, ms, ..] => Ok(usize::from(*ms) * FRAME / 10),
            _ => Err(refused()),
        }
    }

    fn is_comfort(&self, payload: &[u8]) -> bool {
        payload[0] == COMFORT
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let samples = self.packet_samples(payload)?;
        if payload[0] == SPOILT {
            return Err(refused());
        }
        self.decoded.fetch_add(1, Ordering::Relaxed);
        // Random payloads too have names from 0 up.
        let id = i16::from_be_bytes([payload[1] & 0x7f, payload[2]]);
        out[..samples].fill(id);
        Ok(samples)
    }

    fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        if !out.len().is_multiple_of(FRAME / 4) {
            return Err(CodecError::WrongLength {
                given: out.len(),
                allowed: "a multiple of 2.5 ms",
            });
        }
        out.fill(MADE_UP);
        Ok(out.len())
    }

    fn reset(&mut self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }
}

/// A packet on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    pub arrival_us: u64,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Vec<u8>,
    pub id: i16,
    pub ms: u8,
}

impl Sent {
    pub fn at_ms(mut self, arrival_ms: u64) -> Self {
        self.arrival_us = arrival_ms * 1_000;
        self
    }

    pub fn spoilt(mut self) -> Self {
        self.payload[0] = SPOILT;
        self
    }

    /// A packet that says that its sender is silent.
    pub fn comfort(mut self) -> Self {
        self.payload[0] = COMFORT;
        self
    }

    pub fn packet(&self) -> Packet<'_> {
        Packet {
            arrival_us: self.arrival_us,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload: &self.payload,
        }
    }
}

/// Speaks without a break unless told: packets are numbered from 1 and sent when their sound begins.
#[derive(Debug)]
pub struct Sender {
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub now_us: u64,
    next_id: i16,
}

impl Sender {
    pub fn new() -> Self {
        Self::counting_from(100, 5_000)
    }

    pub fn counting_from(sequence: u16, timestamp: u32) -> Self {
        Self {
            sequence,
            timestamp,
            ssrc: SSRC,
            now_us: 0,
            next_id: 1,
        }
    }

    pub fn speak(&mut self, ms: u8) -> Sent {
        let id = self.next_id;
        let [high, low] = id.to_be_bytes();
        let sent = Sent {
            arrival_us: self.now_us,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload: vec![SOUND, high, low, ms],
            id,
            ms,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.next_id = if id == i16::MAX { 1 } else { id + 1 };
        self.pause(u32::from(ms));
        sent
    }

    pub fn speak_often(&mut self, packets: usize, ms: u8) -> Vec<Sent> {
        (0..packets).map(|_| self.speak(ms)).collect()
    }

    /// Time goes by on the sender's clock and no packet is sent.
    pub fn pause(&mut self, ms: u32) {
        self.now_us += u64::from(ms) * 1_000;
        self.timestamp = self.timestamp.wrapping_add(ms * (CLOCK_HZ / 1_000));
    }
}

/// A buffer and the time of its session.
#[derive(Debug)]
pub struct Session {
    pub buffer: JitterBuffer,
    pub now_us: u64,
    pub decoded: Arc<AtomicUsize>,
    pub resets: Arc<AtomicUsize>,
    pub heard: Vec<i16>,
    pub outcomes: Vec<PullOutcome>,
    pushes: u64,
    pulls: u64,
}

impl Session {
    pub fn new(target_ms: u32) -> Self {
        Self::with_capacity(target_ms, 200)
    }

    pub fn with_capacity(target_ms: u32, capacity_packets: usize) -> Self {
        let delay = DelayBounds {
            min_ms: target_ms,
            max_ms: target_ms,
        };
        Self::with(delay, capacity_packets)
    }

    /// A session whose delay is adapted.
    pub fn adaptive() -> Self {
        Self::with(DelayBounds::default(), 64)
    }

    pub fn with(delay: DelayBounds, capacity_packets: usize) -> Self {
        let decoder = NamingDecoder::default();
        let (decoded, resets) = (decoder.decoded.clone(), decoder.resets.clone());
        let config = JitterConfig {
            delay,
            capacity_packets,
            rtp_clock_hz: CLOCK_HZ,
        };
        Self {
            buffer: JitterBuffer::new(config, Box::new(decoder)).unwrap(),
            now_us: 0,
            decoded,
            resets,
            heard: Vec::new(),
            outcomes: Vec::new(),
            pushes: 0,
            pulls: 0,
        }
    }

    pub fn push(&mut self, sent: &Sent) -> PushOutcome {
        self.pushes += 1;
        self.buffer.push(sent.packet())
    }

    pub fn pull(&mut self) -> (PullOutcome, [i16; FRAME]) {
        let mut frame = [i16::MIN; FRAME];
        let outcome = self.buffer.pull(self.now_us, &mut frame);
        assert!(!frame.contains(&i16::MIN), "a pull left samples unwritten");
        self.heard.extend(frame);
        self.outcomes.push(outcome);
        self.pulls += 1;
        (outcome, frame)
    }

    /// Pulls every 10 ms from now until before `end_ms`, each packet pushed when it arrives.
    pub fn play(&mut self, sent: &[Sent], end_ms: u64) {
        let mut arrivals: Vec<&Sent> = sent.iter().collect();
        arrivals.sort_by_key(|sent| sent.arrival_us);
        let mut arrivals = arrivals.into_iter().peekable();
        while self.now_us < end_ms * 1_000 {
            while let Some(sent) = arrivals.next_if(|sent| sent.arrival_us <= self.now_us) {
                self.push(sent);
            }
            self.pull();
            self.now_us += TICK_US;
        }
    }

    /// What was heard so far, as runs of one packet's sound, of made-up sound (-1) or of silence (0): name and samples.
    pub fn runs(&self) -> Vec<(i16, usize)> {
        let mut runs: Vec<(i16, usize)> = Vec::new();
        for &sample in &self.heard {
            let name = sample.max(-1);
            match runs.last_mut() {
                Some((last, samples)) if *last == name => *samples += 1,
                _ => runs.push((name, 1)),
            }
        }
        runs
    }

    /// Every packet that was pushed and every pull is counted, and once.
    pub fn check_counts(&self) {
        let stats = self.buffer.stats();
        let ended = stats.decoded_packets
            + stats.undecodable_packets
            + stats.comfort_packets
            + stats.abandoned_packets
            + stats.overflow_packets;
        assert_eq!(stats.queued_packets, ended + stats.held_packets as u64);
        let refused = stats.duplicate_packets + stats.late_packets + stats.malformed_packets;
        assert_eq!(self.pushes, stats.queued_packets + refused);
        let frames = stats.decoded_frames + stats.concealed_frames + stats.silence_frames;
        assert_eq!(self.pulls, frames);
    }

    /// Whether something was heard of each packet of these names.
    pub fn heard_all(&self, mut names: impl Iterator<Item = i16>) -> bool {
        names.all(|name| self.heard.contains(&name))
    }

    /// `runs` in milliseconds, of which each is a whole number.
    pub fn runs_ms(&self) -> Vec<(i16, usize)> {
        let in_ms = |(name, samples)| {
            assert_eq!(samples % (FRAME / 10), 0, "{name} for {samples} samples");
            (name, samples / (FRAME / 10))
        };
        self.runs().into_iter().map(in_ms).collect()
    }
}
