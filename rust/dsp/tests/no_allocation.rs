//! Nothing is allocated while sound flows.

use std::hint::black_box;

use beluga_counting_alloc::{CountingAllocator, calls_of};
use beluga_dsp::{Alignment, Resampler, fade, gain, level, mix, pcm};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn resampling_allocates_nothing() {
    let input = [0.25_f32; 1_920];
    let mut output = [0.0_f32; 1_920 * 24];
    for (in_hz, out_hz) in [
        (48_000, 16_000),
        (22_050, 24_000),
        (16_000, 16_001),
        (8_000, 192_000),
        (16_000, 16_000),
    ] {
        for alignment in [Alignment::Compensated, Alignment::Delayed] {
            let mut resampler = Resampler::new(in_hz, out_hz, alignment).expect("rates in range");
            let counted = calls_of(|| {
                for length in [0, 1, 480, 7, 1_920, 441] {
                    resampler.process(&input[..length], &mut output);
                }
                resampler.reset();
                resampler.process(&input, &mut output);
            });
            assert_eq!(counted, 0, "{in_hz} to {out_hz}, {alignment:?}");
        }
    }
}

#[test]
fn everything_done_to_a_block_allocates_nothing() {
    let mut integers = [100_i16; 160];
    let (mut floats, other) = ([0.5_f32; 160], [0.5_f32; 160]);
    let counted = calls_of(|| {
        pcm::to_f32(&integers, &mut floats);
        fade::ramp_up(&mut floats);
        fade::ramp_down(&mut floats);
        gain::ramp(&mut floats, 1.0, 0.5);
        mix::add(&mut floats, &other);
        black_box(level::rms_dbfs(&floats));
        pcm::to_i16(&floats, &mut integers);
    });
    assert_eq!(counted, 0);
}
