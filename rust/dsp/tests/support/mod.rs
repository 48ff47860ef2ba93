//! Tones, and what became of them.

use std::f64::consts::TAU;

use beluga_dsp::{Alignment, Resampler};

/// Amplitude of the tones of [`tone`].
pub const AMPLITUDE: f64 = 0.5;

/// 0.2 s of a sine of [`AMPLITUDE`] that starts at phase 0.
pub fn tone(frequency_hz: f64, rate_hz: u32) -> Vec<f32> {
    let step = TAU * frequency_hz / f64::from(rate_hz);
    (0..rate_hz / 5)
        .map(|k| (AMPLITUDE * (step * f64::from(k)).sin()) as f32)
        .collect()
}

/// All of `input` through a new resampler, in one call.
pub fn resampled(input: &[f32], in_hz: u32, out_hz: u32, alignment: Alignment) -> Vec<f32> {
    let mut resampler = Resampler::new(in_hz, out_hz, alignment).expect("rates in range");
    let mut output = vec![0.0; resampler.output_len(input.len())];
    resampler.process(input, &mut output);
    output
}

/// The tone of known frequency in a sound, by least squares, and all that is not it.
pub struct Fit {
    /// Gain over the tone that went in, in dB.
    pub gain_db: f64,
    /// Time at which the tone's phase is 0, in seconds after the first sample, the nearest to 0.
    pub start_s: f64,
    /// Everything else, in dB under the tone that went in.
    pub rest_db: f64,
}

/// Fits a tone to the steady part of `sound`: without 20 ms at either end.
pub fn fit(sound: &[f32], frequency_hz: f64, rate_hz: u32) -> Fit {
    let step = TAU * frequency_hz / f64::from(rate_hz);
    let edge = (rate_hz / 50) as usize;
    let steady = || {
        let inner = sound
            .iter()
            .enumerate()
            .skip(edge)
            .take(sound.len() - 2 * edge);
        inner.map(|(k, &sample)| {
            let (sine, cosine) = (step * k as f64).sin_cos();
            (f64::from(sample), sine, cosine)
        })
    };
    let (mut ss, mut sc, mut cc, mut ys, mut yc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (sample, sine, cosine) in steady() {
        ss += sine * sine;
        sc += sine * cosine;
        cc += cosine * cosine;
        ys += sample * sine;
        yc += sample * cosine;
    }
    let determinant = ss * cc - sc * sc;
    let a = (ys * cc - yc * sc) / determinant;
    let b = (yc * ss - ys * sc) / determinant;
    let rest = steady().map(|(sample, sine, cosine)| (sample - a * sine - b * cosine).powi(2));
    Fit {
        gain_db: 20.0 * (a.hypot(b) / AMPLITUDE).log10(),
        start_s: -b.atan2(a) / (TAU * frequency_hz),
        rest_db: -under_tone_db(rest.sum::<f64>() / (sound.len() - 2 * edge) as f64),
    }
}

/// Loudest that the steady part of `sound` is, in dB relative to the tone that went in.
pub fn level_db(sound: &[f32], rate_hz: u32) -> f64 {
    let edge = (rate_hz / 50) as usize;
    let inner = &sound[edge..sound.len() - edge];
    let energy: f64 = inner.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    under_tone_db(energy / inner.len() as f64)
}

fn under_tone_db(power: f64) -> f64 {
    10.0 * (power / (AMPLITUDE * AMPLITUDE / 2.0)).log10()
}
