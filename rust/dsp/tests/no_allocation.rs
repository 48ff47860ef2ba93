//! Nothing is allocated while sound flows.
#![expect(
    unsafe_code,
    reason = "a counting allocator has to implement GlobalAlloc"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use beluga_dsp::{Alignment, Resampler, fade, gain, level, mix, pcm};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting by thread: tests run beside each other.
struct Counting;

// SAFETY: every call is handed to `System` as it came; the counter neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is `System`'s too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: `pointer` came from `System` by way of `alloc`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 2);
}

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
            let counted = allocations(|| {
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
    let counted = allocations(|| {
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
