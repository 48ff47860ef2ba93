//! Resampler, gain, mix, fade and level: ten milliseconds each.

use beluga_bench_kernels::voice_floats;
use beluga_dsp::{Alignment, Resampler, fade, gain, level, mix, pcm};
use criterion::Criterion;
use std::hint::black_box;

fn resample(criterion: &mut Criterion) {
    for (in_hz, out_hz) in [(48_000, 16_000), (16_000, 24_000), (24_000, 48_000)] {
        let sound = voice_floats(in_hz);
        let frames: Vec<&[f32]> = sound.chunks_exact(in_hz as usize / 100).collect();
        let mut resampler =
            Resampler::new(in_hz, out_hz, Alignment::Delayed).expect("both rates are allowed");
        let mut output = vec![0.0; out_hz as usize / 100];
        let mut next = frames.iter().cycle();
        criterion.bench_function(&format!("resampler/{in_hz}_{out_hz}"), |bencher| {
            bencher.iter(|| {
                let frame = next.next().expect("frames without end");
                resampler.process(black_box(frame), &mut output)
            });
        });
    }
}

fn levels(criterion: &mut Criterion) {
    let sound = voice_floats(24_000);
    let frame = &sound[12_000..12_240];
    let mut own = frame.to_vec();
    criterion.bench_function("dsp/gain", |bencher| {
        // Back and forth: a gain below one alone would end in denormal numbers, which cost more.
        bencher.iter(|| {
            gain::ramp(black_box(&mut own), 1.0, 0.5);
            gain::ramp(black_box(&mut own), 1.0, 2.0);
        });
    });
    let mut sum = frame.to_vec();
    criterion.bench_function("dsp/mix", |bencher| {
        bencher.iter(|| {
            sum.copy_from_slice(frame);
            mix::add(black_box(&mut sum), frame);
        });
    });
    criterion.bench_function("dsp/fade", |bencher| {
        bencher.iter(|| {
            sum.copy_from_slice(frame);
            fade::ramp_down(black_box(&mut sum));
        });
    });
    criterion.bench_function("dsp/level", |bencher| {
        bencher.iter(|| level::rms_dbfs(black_box(frame)))
    });
    let mut ints = vec![0; frame.len()];
    criterion.bench_function("dsp/to_i16", |bencher| {
        bencher.iter(|| pcm::to_i16(black_box(frame), &mut ints))
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    resample(&mut criterion);
    levels(&mut criterion);
    criterion.final_summary();
}
