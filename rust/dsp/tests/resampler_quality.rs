//! What a listener, or a measuring instrument, notices of the resampler.

mod support;

use beluga_dsp::{Alignment, Resampler};
use support::{fit, level_db, resampled, tone};

/// Pairs of rates in daily use, and the highest frequency that each must pass.
const COMMON: [(u32, u32, f64); 10] = [
    (48_000, 16_000, 7_200.0),
    (44_100, 16_000, 7_200.0),
    (24_000, 16_000, 7_200.0),
    (22_050, 24_000, 9_922.5),
    (16_000, 24_000, 7_200.0),
    (16_000, 48_000, 7_200.0),
    (44_100, 48_000, 19_845.0),
    (8_000, 16_000, 3_400.0),
    (16_000, 8_000, 3_400.0),
    (24_000, 8_000, 3_400.0),
];

/// Pairs whose phases are interpolated.
const ODD: [(u32, u32, f64); 4] = [
    (16_000, 16_001, 7_200.0),
    (44_101, 16_000, 7_200.0),
    (16_001, 8_000, 3_400.0),
    (8_009, 16_000, 3_400.0),
];

fn all_pairs() -> impl Iterator<Item = (u32, u32, f64)> {
    COMMON.into_iter().chain(ODD)
}

/// `count` frequencies from `low` to `high`, both included.
fn sweep(low: f64, high: f64, count: u32) -> impl Iterator<Item = f64> {
    (0..=count).map(move |k| low + (high - low) * f64::from(k) / f64::from(count))
}

#[test]
fn tones_in_the_pass_band_stay_clean_and_equally_loud() {
    for (in_hz, out_hz, pass_hz) in all_pairs() {
        for frequency_hz in sweep(97.0, pass_hz, 12).chain([997.0]) {
            let output = resampled(
                &tone(frequency_hz, in_hz),
                in_hz,
                out_hz,
                Alignment::Delayed,
            );
            let fit = fit(&output, frequency_hz, out_hz);
            let what = format!("{frequency_hz} Hz, {in_hz} to {out_hz}");
            assert!(fit.rest_db >= 100.0, "{what}: SNR {} dB", fit.rest_db);
            assert!(fit.gain_db.abs() <= 0.05, "{what}: gain {} dB", fit.gain_db);
        }
    }
}

#[test]
fn what_the_lower_rate_cannot_hold_does_not_alias() {
    for (in_hz, out_hz, pass_hz) in all_pairs().filter(|pair| pair.0 > pair.1) {
        // 0.9 of Nyquist passes and Nyquist stops; at 8 kHz the transition is 700 Hz wide.
        let stop_hz = if pass_hz == 3_400.0 {
            4_100.0
        } else {
            pass_hz / 0.9
        };
        for frequency_hz in sweep(stop_hz, f64::from(in_hz) / 2.0 - 1.0, 40) {
            let output = resampled(
                &tone(frequency_hz, in_hz),
                in_hz,
                out_hz,
                Alignment::Delayed,
            );
            let alias_db = level_db(&output, out_hz);
            assert!(
                alias_db <= -100.0,
                "{frequency_hz} Hz, {in_hz} to {out_hz}: {alias_db} dB"
            );
        }
    }
}

#[test]
fn compensated_output_lies_where_the_input_does() {
    for (in_hz, out_hz, _) in all_pairs() {
        let output = resampled(&tone(997.0, in_hz), in_hz, out_hz, Alignment::Compensated);
        let start_s = fit(&output, 997.0, out_hz).start_s;
        assert!(
            start_s.abs() < 1e-8,
            "{in_hz} to {out_hz}: {start_s} s late"
        );
    }
}

#[test]
fn delayed_output_is_later_by_the_delay_it_tells() {
    for (in_hz, out_hz, _) in all_pairs() {
        // Slow enough for its phase to tell a delay of milliseconds.
        let output = resampled(&tone(97.0, in_hz), in_hz, out_hz, Alignment::Delayed);
        let start_s = fit(&output, 97.0, out_hz).start_s;
        let resampler = Resampler::new(in_hz, out_hz, Alignment::Delayed).expect("rates in range");
        let error_s = start_s - resampler.delay_s();
        assert!(
            error_s.abs() < 1e-7,
            "{in_hz} to {out_hz}: off by {error_s} s"
        );
    }
}

#[test]
fn no_more_than_5_ms_are_held_back() {
    for (in_hz, out_hz, _) in all_pairs() {
        for alignment in [Alignment::Compensated, Alignment::Delayed] {
            let mut resampler = Resampler::new(in_hz, out_hz, alignment).expect("rates in range");
            let mut output = [0.0; 8];
            let mut given = 0;
            for taken in 1..=in_hz / 10 {
                given += resampler.process(&[0.5], &mut output);
                let held_s = f64::from(taken) / f64::from(in_hz) - given as f64 / f64::from(out_hz);
                assert!(
                    held_s <= 0.005,
                    "{in_hz} to {out_hz}, {alignment:?}: {held_s} s"
                );
                if alignment == Alignment::Delayed {
                    assert!(held_s <= 0.0, "{in_hz} to {out_hz}: a pause of {held_s} s");
                    assert!(resampler.delay_s() <= 0.005);
                }
            }
        }
    }
}

#[test]
fn a_constant_stays_that_constant() {
    for (in_hz, out_hz, _) in all_pairs() {
        let output = resampled(&vec![0.25; 4_800], in_hz, out_hz, Alignment::Delayed);
        let settled = &output[(out_hz / 50) as usize..];
        let worst = settled
            .iter()
            .map(|sample| (sample - 0.25).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-6, "{in_hz} to {out_hz}: off by {worst}");
    }
}
