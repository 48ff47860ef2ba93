//! The first layer: magnitude spectra of the four frames of a window.
//!
//! The model ships it as a convolution with 258 kernels of 256 samples. They are the Fourier basis under a periodic Hann window
//! (checked when the model is loaded), so it is computed as what it is, in a twentieth of the arithmetic.

use crate::architecture::{BINS, FRAME_SAMPLES, FRAMES, HOP_SAMPLES, PADDED_SAMPLES};
use crate::error::ModelError;
use crate::fft::{Fft, LENGTH, Quad};
use std::array::from_fn;
use std::f64::consts::TAU;

const _: () = assert!(LENGTH == FRAME_SAMPLES && FRAMES == 4);

/// Largest difference from the exact basis that is taken for rounding: the shipped kernels are within 8e-8.
const BASIS_TOLERANCE: f32 = 1e-5;

/// Window and tables.
#[derive(Debug)]
pub(crate) struct Stft {
    window: [f32; FRAME_SAMPLES],
    fft: Fft,
}

impl Stft {
    /// `basis`: the kernels of tensor `name`, (2 * [`BINS`], [`FRAME_SAMPLES`]), real parts before imaginary ones.
    pub(crate) fn new(name: &'static str, basis: &[f32]) -> Result<Self, ModelError> {
        let hann = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / FRAME_SAMPLES as f64).cos();
        let (real, imaginary) = basis.split_at(BINS * FRAME_SAMPLES);
        let mut difference = 0.0_f32;
        for (i, (re, im)) in real.iter().zip(imaginary).enumerate() {
            let (bin, n) = (i / FRAME_SAMPLES, i % FRAME_SAMPLES);
            let turns = (bin * n % FRAME_SAMPLES) as f64 / FRAME_SAMPLES as f64;
            let (sin, cos) = (TAU * turns).sin_cos();
            let re_off = (re - (hann(n) * cos) as f32).abs();
            let im_off = (im + (hann(n) * sin) as f32).abs();
            difference = difference.max(re_off).max(im_off);
        }
        if difference > BASIS_TOLERANCE {
            return Err(ModelError::Basis { name, difference });
        }
        Ok(Self {
            window: from_fn(|n| hann(n) as f32),
            fft: Fft::new(),
        })
    }

    /// `samples`: (lane, [`PADDED_SAMPLES`]); `magnitudes`: (lane, frame, bin).
    #[inline(always)]
    pub(crate) fn run(&self, lanes: usize, samples: &[f32], magnitudes: &mut [f32]) {
        let samples = samples.as_chunks::<PADDED_SAMPLES>().0;
        let magnitudes = magnitudes.as_chunks_mut::<{ FRAMES * BINS }>().0;
        for (samples, magnitudes) in samples.iter().zip(magnitudes).take(lanes) {
            let power = self.fft.power(|n| {
                Quad(from_fn(|frame| samples[frame * HOP_SAMPLES + n])) * self.window[n]
            });
            for (bin, power) in power.iter().enumerate() {
                let roots = power.0.map(f32::sqrt);
                for (frame, root) in roots.iter().enumerate() {
                    magnitudes[frame * BINS + bin] = *root;
                }
            }
        }
    }
}
