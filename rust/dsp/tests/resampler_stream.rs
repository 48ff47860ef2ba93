//! The resampler as a stream: counts, cuts, ends, broken input.

use beluga_dsp::{Alignment, ResampleError, Resampler};
use proptest::prelude::*;

const USUAL_HZ: [u32; 9] = [
    8_000, 11_025, 16_000, 16_001, 22_050, 24_000, 44_100, 48_000, 192_000,
];

fn rate_hz() -> impl Strategy<Value = u32> {
    prop_oneof![4 => prop::sample::select(&USUAL_HZ[..]), 1 => 8_000_u32..=192_000]
}

fn alignment() -> impl Strategy<Value = Alignment> {
    prop::sample::select(&[Alignment::Compensated, Alignment::Delayed][..])
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![0_usize..4, 0_usize..700], 1..12)
}

/// Noise, the same at every call.
fn noise(length: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut sample = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..length).map(|_| sample()).collect()
}

fn resampler(in_hz: u32, out_hz: u32, alignment: Alignment) -> Resampler {
    Resampler::new(in_hz, out_hz, alignment).expect("rates in range")
}

/// Pushes `input` and returns what comes out, having checked that `output_len` foretold its length.
fn push(resampler: &mut Resampler, input: &[f32]) -> Vec<f32> {
    let expected = resampler.output_len(input.len());
    let mut output = vec![f32::NAN; expected + 1];
    assert_eq!(resampler.process(input, &mut output), expected);
    assert!(
        output.pop().is_some_and(f32::is_nan),
        "wrote past what it returned"
    );
    assert!(output.iter().all(|sample| sample.is_finite()), "left a gap");
    output
}

fn bits(samples: &[f32]) -> Vec<u32> {
    samples.iter().map(|sample| sample.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cutting_of_the_input_gives_the_same_bits(
        in_hz in rate_hz(), out_hz in rate_hz(), alignment in alignment(), cuts in cuts(),
    ) {
        let input = noise(cuts.iter().sum());
        let whole = push(&mut resampler(in_hz, out_hz, alignment), &input);
        let mut cut = resampler(in_hz, out_hz, alignment);
        let mut rest = &input[..];
        let mut parts = Vec::new();
        for length in cuts {
            let (now, later) = rest.split_at(length);
            parts.extend(push(&mut cut, now));
            rest = later;
        }
        prop_assert_eq!(bits(&parts), bits(&whole));
    }

    #[test]
    fn input_needed_is_the_least_that_gives_that_much(
        in_hz in rate_hz(), out_hz in rate_hz(), alignment in alignment(), cuts in cuts(),
        wanted in 0_usize..2_000,
    ) {
        let mut resampler = resampler(in_hz, out_hz, alignment);
        for length in cuts {
            push(&mut resampler, &noise(length));
            let needed = resampler.input_needed(wanted);
            prop_assert!(resampler.output_len(needed) >= wanted);
            if let Some(fewer) = needed.checked_sub(1) {
                prop_assert!(resampler.output_len(fewer) < wanted);
            }
        }
    }

    #[test]
    fn a_flush_completes_the_stream(in_hz in rate_hz(), out_hz in rate_hz(), cuts in cuts()) {
        let length: usize = cuts.iter().sum();
        let expected = (length as u64 * u64::from(out_hz)).div_ceil(u64::from(in_hz));
        let mut compensated = resampler(in_hz, out_hz, Alignment::Compensated);
        let mut given = push(&mut compensated, &noise(length)).len();
        let silence = vec![0.0; compensated.flush_len()];
        given += push(&mut compensated, &silence).len();
        prop_assert_eq!(given as u64, expected);
    }

    #[test]
    fn a_reset_resampler_is_a_new_one(
        in_hz in rate_hz(), out_hz in rate_hz(), alignment in alignment(), before in 0_usize..2_000,
    ) {
        let input = noise(1_000);
        let mut used = resampler(in_hz, out_hz, alignment);
        push(&mut used, &noise(before));
        used.reset();
        let expected = push(&mut resampler(in_hz, out_hz, alignment), &input);
        prop_assert_eq!(bits(&push(&mut used, &input)), bits(&expected));
    }
}

#[test]
fn a_flush_gives_the_end_of_the_sound() {
    let mut resampler = resampler(16_000, 48_000, Alignment::Compensated);
    let mut sound = vec![0.0; 400];
    sound[399] = 1.0;
    let mut output = push(&mut resampler, &sound);
    assert!(output.len() < 3 * 399, "the click is still held back");
    let silence = vec![0.0; resampler.flush_len()];
    output.extend(push(&mut resampler, &silence));
    let loudest = (0..output.len()).max_by(|&a, &b| output[a].abs().total_cmp(&output[b].abs()));
    assert_eq!(loudest, Some(3 * 399));
}

#[test]
fn equal_rates_pass_every_bit() {
    let mut input = noise(1_000);
    input[0] = -0.0;
    input[1] = f32::MIN_POSITIVE / 4.0;
    input[2] = f32::MAX;
    for alignment in [Alignment::Compensated, Alignment::Delayed] {
        let mut resampler = resampler(24_000, 24_000, alignment);
        assert_eq!(bits(&push(&mut resampler, &input)), bits(&input));
        assert_eq!((resampler.delay_s(), resampler.flush_len()), (0.0, 0));
    }
}

#[test]
fn broken_samples_are_silence_and_leave_no_trace() {
    for (in_hz, out_hz) in [
        (48_000, 16_000),
        (22_050, 24_000),
        (16_000, 16_001),
        (16_000, 16_000),
    ] {
        let mut broken = noise(3_000);
        let mut silent = broken.clone();
        for (place, value) in [
            (0, f32::NAN),
            (500, f32::INFINITY),
            (501, f32::NEG_INFINITY),
            (2_999, -f32::NAN),
        ] {
            broken[place] = value;
            silent[place] = 0.0;
        }
        let output = push(&mut resampler(in_hz, out_hz, Alignment::Delayed), &broken);
        let expected = push(&mut resampler(in_hz, out_hz, Alignment::Delayed), &silent);
        assert_eq!(bits(&output), bits(&expected), "{in_hz} to {out_hz}");
    }
}

#[test]
fn enormous_samples_stay_finite() {
    let enormous: Vec<f32> = noise(3_000)
        .iter()
        .map(|sample| 1e37_f32.copysign(*sample))
        .collect();
    for (in_hz, out_hz) in [(48_000, 16_000), (22_050, 24_000), (8_009, 192_000)] {
        // `push` checks that the output is finite.
        push(&mut resampler(in_hz, out_hz, Alignment::Delayed), &enormous);
    }
}

#[test]
fn empty_input_gives_nothing() {
    let mut resampler = resampler(48_000, 16_000, Alignment::Delayed);
    assert_eq!(resampler.process(&[], &mut []), 0);
    assert_eq!((resampler.output_len(0), resampler.input_needed(0)), (0, 0));
}

#[test]
fn counts_of_absurd_lengths_do_not_overflow() {
    for (in_hz, out_hz) in [(8_000, 192_000), (192_000, 8_000), (16_000, 16_000)] {
        let resampler = resampler(in_hz, out_hz, Alignment::Compensated);
        assert!(resampler.output_len(usize::MAX) > usize::MAX / 25);
        assert!(resampler.input_needed(usize::MAX) > usize::MAX / 25);
    }
}

#[test]
#[should_panic(expected = "output holds 159 samples, 160 are due")]
fn a_short_output_is_refused_before_anything_is_lost() {
    resampler(48_000, 16_000, Alignment::Delayed).process(&[0.0; 480], &mut [0.0; 159]);
}

#[test]
fn rates_out_of_range_are_named() {
    for (in_hz, out_hz, field, value) in [
        (7_999, 16_000, "in_hz", 7_999),
        (16_000, 192_001, "out_hz", 192_001),
        (0, 0, "in_hz", 0),
    ] {
        let error = Resampler::new(in_hz, out_hz, Alignment::Delayed).expect_err("out of range");
        assert_eq!(error, ResampleError::RateOutOfRange { field, value });
        assert_eq!(
            error.to_string(),
            format!("{field} is {value}: allowed are 8000 to 192000 Hz")
        );
    }
}
