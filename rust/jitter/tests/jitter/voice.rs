//! A voice made by construction, and a codec that keeps it as it is.

use std::f64::consts::TAU;

use beluga_codec::{CodecError, Decoder};

const RATE_HZ: f64 = 16_000.0;

/// A room: uniform noise of this level, and what is said in it.
#[derive(Debug)]
pub struct Room {
    noise_dbfs: f64,
    noise: u32,
    pub samples: Vec<i16>,
}

impl Room {
    pub fn new(noise_dbfs: f64) -> Self {
        Self {
            noise_dbfs,
            noise: 1,
            samples: Vec::new(),
        }
    }

    pub fn pause(self, ms: usize) -> Self {
        self.sound(ms, |_| 0.0)
    }

    /// Syllables of 0.2 s on a pitch that glides about 130 Hz, at -20 dBFS.
    pub fn voice(self, ms: usize) -> Self {
        self.sound(ms, |t| {
            let place = (5.0 * t).fract();
            0.12 * (0.3 + 2.8 * place * (1.0 - place))
                * vowel(130.0 * t + 8.0 * (TAU * 0.7 * t).sin(), 130.0)
        })
    }

    /// One vowel held at a level of about -20 dBFS.
    pub fn held_vowel(self, ms: usize, pitch_hz: f64) -> Self {
        self.sound(ms, |t| 0.12 * vowel(pitch_hz * t, pitch_hz))
    }

    fn sound(mut self, ms: usize, sound: impl Fn(f64) -> f64) -> Self {
        // Uniform noise of +-a has a level of a / sqrt(3).
        let amplitude = 10f64.powf(self.noise_dbfs / 20.0) * 3f64.sqrt();
        for n in 0..ms * 16 {
            self.noise = self
                .noise
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            let noise = amplitude * (f64::from(self.noise >> 16) / 32_768.0 - 1.0);
            let sample = 32_767.0 * (sound(n as f64 / RATE_HZ) + noise);
            self.samples.push(sample.clamp(-32_767.0, 32_767.0) as i16);
        }
        self
    }
}

/// Harmonics under two resonances, after so many turns of the pitch.
fn vowel(turns: f64, pitch_hz: f64) -> f64 {
    let harmonic = |k: i32| {
        let hz = f64::from(k) * pitch_hz;
        let near = |centre: f64, width: f64| 1.0 / (1.0 + ((hz - centre) / width).powi(2));
        (near(600.0, 150.0) + 0.4 * near(1_700.0, 200.0)) * (TAU * f64::from(k) * turns).sin()
    };
    (1..=24).map(harmonic).sum()
}

/// Packets that are the samples themselves, 20 ms each.
#[derive(Debug)]
pub struct Plain;

pub fn plain_packets(samples: &[i16]) -> Vec<Vec<u8>> {
    let packet = |samples: &[i16]| {
        samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect()
    };
    samples.chunks_exact(320).map(packet).collect()
}

impl Decoder for Plain {
    fn sample_rate_hz(&self) -> u32 {
        RATE_HZ as u32
    }

    fn packet_samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        Ok(payload.len() / 2)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        for (out, bytes) in out.iter_mut().zip(payload.as_chunks::<2>().0) {
            *out = i16::from_le_bytes(*bytes);
        }
        Ok(payload.len() / 2)
    }

    fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        out.fill(0);
        Ok(out.len())
    }

    fn reset(&mut self) {}
}
