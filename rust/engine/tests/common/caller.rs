//! A caller made by construction: harmonics in the rhythm of syllables over room noise, so that the first and the last
//! voiced sample are known.

use std::f64::consts::TAU;
use std::ops::Range;

/// First and last frequency, Hz, of three resonances for each syllable.
const SYLLABLES: [[(f64, f64); 3]; 4] = [
    [(700.0, 350.0), (1220.0, 2100.0), (2600.0, 2900.0)],
    [(450.0, 500.0), (900.0, 1750.0), (2500.0, 2600.0)],
    [(320.0, 720.0), (800.0, 1250.0), (2300.0, 2550.0)],
    [(300.0, 480.0), (2200.0, 950.0), (2950.0, 2450.0)],
];
const WIDTHS_HZ: [f64; 3] = [90.0, 120.0, 180.0];
/// Attack and release of a voice, seconds.
const EDGE_S: f64 = 0.006;

/// Sound with its labels.
pub struct Caller {
    rate_hz: u32,
    samples: Vec<f64>,
    noise: u32,
    /// Where the voices are, in samples at 16 kHz.
    pub voices: Vec<Range<u64>>,
    pub noise_dbfs: f64,
    pub voice_dbfs: f64,
    pub pitch_hz: f64,
}

impl Caller {
    /// A caller at `rate_hz`, in a room of -60 dBFS, speaking at -20.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            samples: Vec::new(),
            noise: 1,
            voices: Vec::new(),
            noise_dbfs: -60.0,
            voice_dbfs: -20.0,
            pitch_hz: 120.0,
        }
    }

    /// The room alone.
    pub fn pause(self, ms: u64) -> Self {
        self.sound(ms, |_| 0.0)
    }

    /// A voice in the room.
    pub fn voice(mut self, ms: u64) -> Self {
        let (pitch_hz, length_s) = (self.pitch_hz, ms as f64 / 1_000.0);
        let gain = 10f64.powf(self.voice_dbfs / 20.0);
        let start = self.position();
        self = self.sound(ms, |t| gain * edges(t, length_s) * voice(t, pitch_hz));
        self.voices.push(start..self.position());
        self
    }

    /// Whatever `sound` gives for a time in seconds, in the room.
    pub fn sound(mut self, ms: u64, sound: impl Fn(f64) -> f64) -> Self {
        let count = ms * u64::from(self.rate_hz) / 1_000;
        // Uniform noise of +-a has a level of a / sqrt(3).
        let amplitude = 10f64.powf(self.noise_dbfs / 20.0) * 3f64.sqrt();
        for n in 0..count {
            let noise = amplitude * self.next_noise();
            self.samples
                .push(sound(n as f64 / f64::from(self.rate_hz)) + noise);
        }
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn pcm(&self) -> Vec<i16> {
        self.samples
            .iter()
            .map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16)
            .collect()
    }

    pub fn floats(&self) -> Vec<f32> {
        self.samples
            .iter()
            .map(|&sample| sample.clamp(-1.0, 1.0) as f32)
            .collect()
    }

    fn position(&self) -> u64 {
        self.samples.len() as u64 * 16_000 / u64::from(self.rate_hz)
    }

    fn next_noise(&mut self) -> f64 {
        self.noise = self
            .noise
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        f64::from(self.noise >> 16) / 32_768.0 - 1.0
    }
}

fn edges(t: f64, length_s: f64) -> f64 {
    let near = t.min(length_s - t);
    if near >= EDGE_S {
        1.0
    } else {
        0.5 - 0.5 * (TAU / 2.0 * near / EDGE_S).cos()
    }
}

/// Syllables of 0.2 s: harmonics of a gliding pitch, weighted by three resonances that glide. Level about 0 dBFS.
fn voice(t: f64, low_hz: f64) -> f64 {
    let place = (5.0 * t).fract();
    let glides = SYLLABLES[(5.0 * t) as usize % 4];
    let around = t % 0.8;
    let pitch_turns =
        low_hz * t + 25.0 * around * around - 20.0 * around.powi(3) + 0.08 * (TAU * 5.5 * t).sin();
    let pitch_hz = low_hz + 50.0 * around - 60.0 * around * around;
    let mut total = 0.0;
    for k in 1..31 {
        let harmonic = f64::from(k);
        if harmonic * pitch_hz > 3_700.0 {
            break;
        }
        let mut weight = 0.0;
        for (resonance, ((first, last), width_hz)) in glides.into_iter().zip(WIDTHS_HZ).enumerate()
        {
            let off = (harmonic * pitch_hz - (first + (last - first) * place)) / width_hz;
            weight += 1.0 / (1.0 + off * off) / (resonance + 1) as f64;
        }
        total += weight * (TAU * harmonic * pitch_turns).sin();
    }
    (0.35 + 0.65 * 4.0 * place * (1.0 - place)) * total
}
