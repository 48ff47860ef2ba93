//! The resampler's low-pass filter: a Kaiser-windowed sinc whose length follows from the two rates.

use std::f64::consts::PI;

/// Attenuation the window is designed for.
///
/// A little over the promised 100 dB, which leaves room for Kaiser's estimate of the length and for `f32` tables.
const ATTENUATION_DB: f64 = 103.0;

/// Share of the lower of the two Nyquist frequencies that is passed untouched where delay allows it.
const PASS_SHARE: f64 = 0.9;

/// Longest delay the filter may have; one sample of either rate comes on top, and 5 ms in all are promised.
const MAX_DELAY_S: f64 = 0.0048;

/// Upper edge of the telephone band, passed at every pair of rates (ITU-T G.712).
const TELEPHONE_BAND_HZ: f64 = 3400.0;

/// A linear-phase low-pass for one pair of rates, as a function of continuous time.
///
/// With `nyquist` that of the lower rate, 0.9 `nyquist` is passed and everything from `nyquist` on is stopped. Below about
/// 13.8 kHz that edge would take more than 4.8 ms of delay: there the transition is as wide as 4.8 ms demand, its upper
/// end stays at `nyquist` while its lower end is above 3.4 kHz, and is pushed over `nyquist` otherwise. At 8 kHz this
/// gives 3.4 kHz to 4.1 kHz: what little folds lands above 3.9 kHz, outside the telephone band.
///
/// Length and shape are Kaiser's: J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function",
/// IEEE ISCAS 1974; half length `(A - 7.95) / (4 pi 2.285 f)` for a transition of `f` Hz (14.36 = 2 pi 2.285).
#[derive(Debug)]
pub(crate) struct Kernel {
    in_hz: f64,
    cutoff_hz: f64,
    half_samples: usize,
    beta: f64,
    window_scale: f64,
}

impl Kernel {
    /// The filter for `in_hz` to `out_hz`, both at least 8 kHz.
    pub(crate) fn new(in_hz: u32, out_hz: u32) -> Self {
        let in_hz = f64::from(in_hz);
        let nyquist_hz = in_hz.min(f64::from(out_hz)) / 2.0;
        // Half length in seconds times transition in Hz.
        let time_bandwidth = (ATTENUATION_DB - 7.95) / 14.36 / 2.0;
        let steep_hz = (1.0 - PASS_SHARE) * nyquist_hz;
        let (transition_hz, half_samples) = if time_bandwidth / steep_hz <= MAX_DELAY_S {
            let half_s = time_bandwidth / steep_hz;
            (steep_hz, (half_s * in_hz).ceil())
        } else {
            let half_samples = (MAX_DELAY_S * in_hz).floor();
            (time_bandwidth * in_hz / half_samples, half_samples)
        };
        let pass_hz = (nyquist_hz - transition_hz).max(TELEPHONE_BAND_HZ);
        let beta = 0.1102 * (ATTENUATION_DB - 8.7);
        Self {
            in_hz,
            cutoff_hz: pass_hz + transition_hz / 2.0,
            half_samples: half_samples as usize,
            beta,
            window_scale: 1.0 / bessel_i0(beta),
        }
    }

    /// Half the length, which is the delay: a whole number of input samples, so that a flush is whole too.
    pub(crate) fn half_samples(&self) -> usize {
        self.half_samples
    }

    /// The filter's weight at `time_samples` input samples from its centre; 0 outside of its length.
    pub(crate) fn weight(&self, time_samples: f64) -> f64 {
        let position = time_samples / self.half_samples as f64;
        if position.abs() > 1.0 {
            return 0.0;
        }
        let window = bessel_i0(self.beta * (1.0 - position * position).sqrt()) * self.window_scale;
        let share = 2.0 * self.cutoff_hz / self.in_hz;
        share * sinc(share * time_samples) * window
    }
}

/// sin(pi x) / (pi x).
fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// Modified Bessel function of the first kind and order 0, by its power series (all terms positive: no cancellation).
fn bessel_i0(x: f64) -> f64 {
    let quarter_square = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    let mut k = 1.0;
    while term > sum * f64::EPSILON {
        term *= quarter_square / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{Kernel, bessel_i0};

    #[test]
    fn bessel_i0_agrees_with_published_values() {
        // Abramowitz and Stegun, table 9.8: e^-x I0(x).
        for (x, scaled) in [(0.0, 1.0), (1.0, 0.465_759_607_6), (10.0, 0.127_833_337_2)] {
            let x: f64 = x;
            assert!(((-x).exp() * bessel_i0(x) - scaled).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn delay_never_passes_its_limit() {
        for low_hz in (8_000..20_000).step_by(37) {
            for high_hz in [low_hz + 1, 24_000, 44_100, 192_000] {
                for (in_hz, out_hz) in [(low_hz, high_hz), (high_hz, low_hz)] {
                    let delay_s =
                        Kernel::new(in_hz, out_hz).half_samples() as f64 / f64::from(in_hz);
                    let hold_back_s = delay_s + 1.0 / f64::from(in_hz);
                    assert!(hold_back_s <= 0.005, "{in_hz} to {out_hz}: {hold_back_s} s");
                }
            }
        }
    }

    #[test]
    fn is_symmetric_and_ends() {
        let kernel = Kernel::new(48_000, 16_000);
        let half = kernel.half_samples() as f64;
        assert_eq!(kernel.weight(17.25), kernel.weight(-17.25));
        assert_eq!(kernel.weight(half + 0.01), 0.0);
        assert!(kernel.weight(half).abs() < 1e-6);
    }
}
