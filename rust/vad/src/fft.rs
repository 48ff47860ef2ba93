//! A Fourier transform of 256 real samples, four of them at once: one frame in each place of a [`Quad`].
//!
//! 256 real samples as 128 complex ones (even samples real, odd ones imaginary), a transform of length 128 (Cooley and Tukey,
//! decimation in time), and the even and odd parts put together. All four frames take the same steps, so nothing is shuffled.

use std::array::from_fn;
use std::f64::consts::TAU;
use std::ops::{Add, Mul, Sub};

/// Real samples that go in.
pub(crate) const LENGTH: usize = 256;
/// Complex values of the inner transform.
const HALF: usize = LENGTH / 2;

/// One number of each of four frames.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(16))]
pub(crate) struct Quad(pub(crate) [f32; 4]);

impl Add for Quad {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl Sub for Quad {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] - other.0[i]))
    }
}

impl Mul<f32> for Quad {
    type Output = Self;
    #[inline(always)]
    fn mul(self, factor: f32) -> Self {
        Self(from_fn(|i| self.0[i] * factor))
    }
}

/// A complex number of each of four frames.
#[derive(Clone, Copy, Debug, Default)]
struct Complex {
    re: Quad,
    im: Quad,
}

impl Complex {
    /// Times `re + im i`.
    #[inline(always)]
    fn turned(self, (re, im): (f32, f32)) -> Self {
        Self {
            re: self.re * re - self.im * im,
            im: self.re * im + self.im * re,
        }
    }

    /// Times -i.
    #[inline(always)]
    fn quarter_back(self) -> Self {
        Self {
            re: self.im,
            im: Quad::default() - self.re,
        }
    }
}

impl Add for Complex {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self {
            re: self.re + other.re,
            im: self.im + other.im,
        }
    }
}

impl Sub for Complex {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self {
            re: self.re - other.re,
            im: self.im - other.im,
        }
    }
}

/// The tables.
#[derive(Debug)]
pub(crate) struct Fft {
    /// `e^(-2 pi i k / 256)` for k in 0..=64: the even and odd parts; every other one turns the inner transform.
    turns: [(f32, f32); HALF / 2 + 1],
    /// `e^(-2 pi i k / 128)` for k in 0..64.
    inner_turns: [(f32, f32); HALF / 2],
}

impl Fft {
    pub(crate) fn new() -> Self {
        let turn = |k: usize, of: usize| {
            let (sin, cos) = (-TAU * k as f64 / of as f64).sin_cos();
            (cos as f32, sin as f32)
        };
        Self {
            turns: from_fn(|k| turn(k, LENGTH)),
            inner_turns: from_fn(|k| turn(k, HALF)),
        }
    }

    /// Squared magnitudes at frequencies 0 to 128 of the four signals that `sample(n)` gives, n in 0..256.
    #[inline(always)]
    pub(crate) fn power(&self, sample: impl Fn(usize) -> Quad) -> [Quad; HALF + 1] {
        let spectrum = self.inner(sample);
        let mut power = [Quad::default(); HALF + 1];
        for k in 0..=HALF / 2 {
            // Bins k and 128 - k of the inner transform hold the even samples' spectrum E and the odd ones' O, mixed:
            // Z[k] = E[k] + i O[k], and E[128 - k] is the conjugate of E[k]. The result is E[k] +- e^(-2 pi i k / 256) O[k].
            let low = spectrum[k];
            let high = spectrum[(HALF - k) % HALF];
            let even = Complex {
                re: (low.re + high.re) * 0.5,
                im: (low.im - high.im) * 0.5,
            };
            let odd = Complex {
                re: (low.im + high.im) * 0.5,
                im: (high.re - low.re) * 0.5,
            }
            .turned(self.turns[k]);
            power[k] = squared(even + odd);
            power[HALF - k] = squared(even - odd);
        }
        power
    }

    /// Transform of length 128 of the pairs of samples.
    #[inline(always)]
    fn inner(&self, sample: impl Fn(usize) -> Quad) -> [Complex; HALF] {
        let pair = |n: usize| Complex {
            re: sample(2 * n),
            im: sample(2 * n + 1),
        };
        let mut values = [Complex::default(); HALF];
        // The first two stages turn by quarters alone: done together, on values taken in bit-reversed order.
        for (i, group) in values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let at = (4 * i).reverse_bits() >> (usize::BITS - HALF.ilog2());
            let (a, b) = (pair(at), pair(at + HALF / 2));
            let (c, d) = (pair(at + HALF / 4), pair(at + HALF / 2 + HALF / 4));
            let (sum, difference) = (a + b, a - b);
            let (other_sum, other_difference) = (c + d, (c - d).quarter_back());
            *group = [
                sum + other_sum,
                difference + other_difference,
                sum - other_sum,
                difference - other_difference,
            ];
        }
        let mut half = 4;
        while half < HALF {
            let step = HALF / 2 / half;
            for group in values.chunks_exact_mut(2 * half) {
                let (lows, highs) = group.split_at_mut(half);
                let turns = self.inner_turns.iter().step_by(step);
                for ((low, high), turn) in lows.iter_mut().zip(highs).zip(turns) {
                    let turned = high.turned(*turn);
                    (*low, *high) = (*low + turned, *low - turned);
                }
            }
            half *= 2;
        }
        values
    }
}

#[inline(always)]
fn squared(value: Complex) -> Quad {
    Quad(from_fn(|i| {
        value.re.0[i] * value.re.0[i] + value.im.0[i] * value.im.0[i]
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_that_of_the_sum_over_all_samples() {
        let signal = |n: usize, frame: usize| ((n * n * (frame + 3) % 97) as f32 - 48.0) / 48.0;
        let power = Fft::new().power(|n| Quad(from_fn(|frame| signal(n, frame))));
        for (k, power) in power.iter().enumerate() {
            for frame in 0..4 {
                let (mut re, mut im) = (0.0_f64, 0.0_f64);
                for n in 0..LENGTH {
                    let (sin, cos) = (TAU * (k * n % LENGTH) as f64 / LENGTH as f64).sin_cos();
                    re += f64::from(signal(n, frame)) * cos;
                    im += f64::from(signal(n, frame)) * sin;
                }
                let expected = re * re + im * im;
                let difference = (f64::from(power.0[frame]) - expected).abs();
                assert!(
                    difference < 1e-5 * (expected + 100.0),
                    "bin {k} of frame {frame}"
                );
            }
        }
    }
}
