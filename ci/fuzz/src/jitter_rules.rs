//! What a [`JitterBuffer`] keeps to, whatever sender, network and shard do.

use beluga_codec::{Decoder, MAX_PACKET_MS};
use beluga_jitter::{
    CONCEAL_LIMIT_MS, DelayBounds, JitterBuffer, JitterConfig, MAX_DELAY_MS, Packet, PullOutcome,
    PushOutcome,
};

use crate::script::Script;

/// Steps of a script, by the lowest four bits of their first byte; those that are not named are [`step::TICKS`].
pub mod step {
    /// The next packet in order: length u8, payload.
    pub const SEND: u8 = 0;
    /// The next packet in order, with the payload of the last one.
    pub const SEND_LIKE_LAST: u8 = 1;
    /// The last packet once more.
    pub const SEND_AGAIN: u8 = 2;
    /// The next packet in order, one byte many times: byte, length u16 (up to 2,047).
    pub const SEND_LONG: u8 = 3;
    /// A packet is lost.
    pub const LOSE: u8 = 4;
    /// The sender counts on from elsewhere: step u16, wrapping.
    pub const SEQUENCE: u8 = 5;
    /// The sender's clock jumps: step u32, wrapping.
    pub const TIMESTAMP: u8 = 6;
    /// Another stream: its ssrc, u8.
    pub const SSRC: u8 = 7;
    /// Packets arrive from now on so much before or after they are pushed: i32 microseconds.
    pub const ARRIVAL: u8 = 8;
    /// The session's clock jumps: u64 microseconds.
    pub const NOW: u8 = 9;
    /// Ticks that nobody pulls for: u8.
    pub const SLEEP: u8 = 10;
    /// Pulls of one and the same time: u8 (up to 31).
    pub const PULLS: u8 = 11;
    /// Pulls, one for each tick: u8 (up to 63).
    pub const TICKS: u8 = 12;
}

const TICK_US: u64 = 10_000;

/// What is decoded ahead to find a period in, and a period that is repeated.
const SPLICE_MS: u32 = 40;

/// What RTP knows, both limits, and one that fits no decoder's rate.
const CLOCKS_HZ: [u32; 8] = [48_000, 8_000, 16_000, 24_000, 90_000, 192_000, 100, 44_100];

/// No script can name it: its ssrcs are bytes.
const SSRC_AFTERWARDS: u32 = 0x1_0000;

/// Plays a script to a buffer over what `decoder` makes; then the buffer must run empty, and serve a new caller, whose first
/// packet is `good`. The script begins with the least delay in ms u16, how much more the largest is u16, capacity u8, and the
/// place of a clock u8.
pub fn check(mut script: Script<'_>, decoder: impl Fn() -> Box<dyn Decoder>, good: &[u8]) {
    let delays = script.u16().zip(script.u16());
    let Some(((min_ms, more_ms), (capacity, clock))) = delays.zip(script.byte().zip(script.byte()))
    else {
        return;
    };
    let min_ms = u32::from(min_ms) % (MAX_DELAY_MS + 1);
    let more_ms = u32::from(more_ms) % (MAX_DELAY_MS - min_ms + 1);
    let config = JitterConfig {
        delay: DelayBounds {
            min_ms,
            max_ms: min_ms + more_ms,
        },
        capacity_packets: usize::from(capacity) % 24 + 1,
        rtp_clock_hz: CLOCKS_HZ[usize::from(clock) % CLOCKS_HZ.len()],
    };
    let mut session = Session::new(config, decoder);
    while session.step(&mut script).is_some() {}
    session.run_empty();
    session.serve(good);
}

/// Two buffers that are told the same, and must do the same. What they are given to fill differs: a sample that a pull leaves
/// unwritten differs too.
struct Session<'script> {
    buffers: [JitterBuffer; 2],
    frames: [Vec<i16>; 2],
    lengths: Box<dyn Decoder>,
    config: JitterConfig,
    now_us: u64,
    arrival_offset_us: i64,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Payload<'script>,
    pushes: [u64; 5],
    pulls: u64,
}

#[derive(Clone, Copy)]
enum Payload<'script> {
    Script(&'script [u8]),
    Repeated(u8, usize),
}

impl<'script> Session<'script> {
    fn new(config: JitterConfig, decoder: impl Fn() -> Box<dyn Decoder>) -> Self {
        let buffer = || JitterBuffer::new(config, decoder()).expect("fields within their ranges");
        let buffers = [buffer(), buffer()];
        let frame = buffers[0].frame_samples();
        Self {
            buffers,
            frames: [vec![0; frame], vec![0; frame]],
            lengths: decoder(),
            config,
            now_us: 0,
            arrival_offset_us: 0,
            sequence: 0,
            timestamp: 0,
            ssrc: 0,
            payload: Payload::Script(&[]),
            pushes: [0; 5],
            pulls: 0,
        }
    }

    /// None at the end of the script.
    fn step(&mut self, script: &mut Script<'script>) -> Option<()> {
        match script.byte()? & 15 {
            step::SEND => {
                let length = script.byte()?;
                self.send_next(Payload::Script(script.bytes(length.into())));
            }
            step::SEND_LIKE_LAST => self.send_next(self.payload),
            step::SEND_AGAIN => self.send(),
            step::SEND_LONG => {
                let (byte, length) = script.byte().zip(script.u16())?;
                self.send_next(Payload::Repeated(byte, usize::from(length) % 2_048));
            }
            step::LOSE => self.count_on(),
            step::SEQUENCE => self.sequence = self.sequence.wrapping_add(script.u16()?),
            step::TIMESTAMP => self.timestamp = self.timestamp.wrapping_add(script.u32()?),
            step::SSRC => self.ssrc = script.byte()?.into(),
            step::ARRIVAL => self.arrival_offset_us = (script.u32()? as i32).into(),
            step::NOW => self.now_us = script.u64()?,
            step::SLEEP => self.pass_ticks(script.byte()?.into()),
            step::PULLS => {
                for _ in 0..script.byte()? % 32 {
                    self.pull();
                }
            }
            _ => {
                for _ in 0..script.byte()? % 64 {
                    self.tick();
                }
            }
        }
        Some(())
    }

    /// The sender numbers one more packet, as long as the last.
    fn count_on(&mut self) {
        let samples = self
            .lengths
            .packet_samples(&self.payload.bytes())
            .unwrap_or(0) as u64;
        let clock_hz = u64::from(self.config.rtp_clock_hz);
        let ticks = samples * clock_hz / u64::from(self.lengths.sample_rate_hz());
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(ticks as u32);
    }

    fn send_next(&mut self, payload: Payload<'script>) {
        self.count_on();
        self.payload = payload;
        self.send();
    }

    fn send(&mut self) {
        let payload = self.payload.bytes();
        self.push(&payload);
    }

    fn push(&mut self, payload: &[u8]) -> PushOutcome {
        let packet = Packet {
            arrival_us: self.now_us.saturating_add_signed(self.arrival_offset_us),
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload,
        };
        let outcome = self.buffers[0].push(packet);
        assert_eq!(outcome, self.buffers[1].push(packet));
        self.pushes[outcome as usize] += 1;
        self.check_stats();
        outcome
    }

    fn pass_ticks(&mut self, ticks: u64) {
        self.now_us = self.now_us.saturating_add(ticks * TICK_US);
    }

    fn tick(&mut self) -> PullOutcome {
        self.pass_ticks(1);
        self.pull()
    }

    fn pull(&mut self) -> PullOutcome {
        let [first, second] = &mut self.frames;
        first.fill(0x5555);
        second.fill(0x2aaa);
        let outcome = self.buffers[0].pull(self.now_us, first);
        assert_eq!(outcome, self.buffers[1].pull(self.now_us, second));
        assert_eq!(first, second, "a sample was not written");
        if outcome == PullOutcome::Silence {
            assert!(first.iter().all(|&sample| sample == 0), "silence is zeros");
        }
        self.pulls += 1;
        self.check_stats();
        outcome
    }

    fn check_stats(&self) {
        let stats = self.buffers[0].stats();
        assert_eq!(stats, self.buffers[1].stats());
        assert!(stats.held_packets <= self.config.capacity_packets);
        // What is held, and a packet and as much as a splice needs that are decoded.
        let packets = self.config.capacity_packets as u32 + 1;
        assert!(stats.level_ms <= packets * MAX_PACKET_MS + SPLICE_MS);
        let DelayBounds { min_ms, max_ms } = self.config.delay;
        assert!((min_ms..=max_ms).contains(&stats.target_ms));
        let pushed = |outcome: PushOutcome| self.pushes[outcome as usize];
        assert_eq!(stats.malformed_packets, pushed(PushOutcome::Malformed));
        assert_eq!(stats.duplicate_packets, pushed(PushOutcome::Duplicate));
        assert_eq!(stats.late_packets, pushed(PushOutcome::Late));
        assert_eq!(stats.overflow_packets, pushed(PushOutcome::Overflow));
        let queued = pushed(PushOutcome::Queued) + stats.overflow_packets;
        assert_eq!(stats.queued_packets, queued);
        let ended = stats.decoded_packets
            + stats.undecodable_packets
            + stats.comfort_packets
            + stats.abandoned_packets
            + stats.overflow_packets;
        assert_eq!(stats.queued_packets, ended + stats.held_packets as u64);
        let frames = stats.decoded_frames + stats.concealed_frames + stats.silence_frames;
        assert_eq!(frames, self.pulls);
    }

    /// Nobody sends any more: each packet may still be a spurt of its own, with its wait, its sound, of which periods are
    /// repeated, and what is made up after it.
    fn run_empty(&mut self) {
        // A clock that has come to its end stands still, and no wait is ever over.
        self.now_us &= u64::MAX >> 1;
        let spurt_ms = self.config.delay.max_ms + 2 * MAX_PACKET_MS + CONCEAL_LIMIT_MS + 30;
        let spurts = self.buffers[0].stats().held_packets as u32 + 2;
        for _ in 0..spurts * spurt_ms / 10 + 1 {
            self.tick();
        }
        assert_eq!(self.tick(), PullOutcome::Silence);
        let stats = self.buffers[0].stats();
        assert_eq!((stats.held_packets, stats.level_ms), (0, 0));
    }

    /// The first packet of a new ssrc is heard when the target has passed, whatever it is by now.
    fn serve(&mut self, good: &[u8]) {
        self.ssrc = SSRC_AFTERWARDS;
        self.arrival_offset_us = 0;
        assert_eq!(self.push(good), PushOutcome::Queued);
        // It counts for the target itself, from the first tick on: it may be the one too many for the target to stay as it was.
        let at_once = self.tick() == PullOutcome::Decoded;
        let ticks = self.buffers[0].stats().target_ms / 10 + 1;
        let heard = at_once || (0..ticks).any(|_| self.tick() == PullOutcome::Decoded);
        assert!(heard, "not heard within {ticks} more ticks");
    }
}

impl<'script> Payload<'script> {
    fn bytes(self) -> std::borrow::Cow<'script, [u8]> {
        match self {
            Self::Script(bytes) => bytes.into(),
            Self::Repeated(byte, length) => vec![byte; length].into(),
        }
    }
}
