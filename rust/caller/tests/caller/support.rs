//! A caller, ticks, and packets as they come from a network without a fault.

use beluga_caller::{Caller, CallerConfig, Ear, Mouth, Silence, Tape, caller};
use beluga_codec::OpusEncoderConfig;
use beluga_engine::{Bells, EncodedPacket, PacketSource, Wake};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub const HZ: usize = 16_000;
pub const TICK_US: u64 = 10_000;
/// When the first tick is.
pub const BEGAN_US: u64 = 5_000_000;

#[derive(Debug, Clone, Default)]
pub struct Woken(Arc<AtomicU64>);

impl Wake for Woken {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    pub fn times(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub struct World {
    pub caller: Caller,
    pub mouth: Mouth,
    pub ear: Ear,
    pub woken: Woken,
    pub now_us: u64,
}

pub fn tape_of(pcm: &[i16]) -> Arc<Tape> {
    let config = OpusEncoderConfig {
        sample_rate_hz: HZ as u32,
        complexity: 5,
        bitrate_bps: 24_000,
    };
    Arc::new(Tape::encode(pcm, config).expect("a valid configuration"))
}

/// A vowel of that many milliseconds: harmonics of 150 Hz.
pub fn vowel(ms: usize) -> Vec<i16> {
    let wave = |n: usize| {
        let phase = n as f64 / HZ as f64 * 150.0 * std::f64::consts::TAU;
        (1..6)
            .map(|k| (phase * f64::from(k)).sin() / f64::from(k))
            .sum::<f64>()
    };
    (0..HZ / 1_000 * ms)
        .map(|n| (wave(n) * 6_000.0) as i16)
        .collect()
}

impl World {
    pub fn new(silence: Silence, kept_packets: usize) -> Self {
        let woken = Woken::default();
        let config = CallerConfig {
            silence,
            kept_packets,
            quiet: tape_of(&[]),
        };
        let bell = Bells::new(Box::new(woken.clone())).bell();
        let (caller, mouth, ear) = caller(config, bell);
        Self {
            caller,
            mouth,
            ear,
            woken,
            now_us: BEGAN_US,
        }
    }

    /// What is sent at this time.
    pub fn at(&mut self, now_us: u64) -> Vec<EncodedPacket> {
        self.now_us = now_us;
        std::iter::from_fn(|| self.mouth.next(now_us)).collect()
    }

    /// So many ticks, and what is sent in them.
    pub fn ticks(&mut self, count: u64) -> Vec<EncodedPacket> {
        let mut sent = Vec::new();
        for _ in 0..count {
            sent.extend(self.at(self.now_us));
            self.now_us += TICK_US;
        }
        sent
    }
}
