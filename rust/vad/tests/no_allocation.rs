//! A tick allocates nothing: neither the batch nor the energy detector asks for memory after construction.
#![expect(
    unsafe_code,
    reason = "a global allocator that counts can be written in no other way"
)]

mod common;

use beluga_vad::{EnergyDetector, SileroBatch, SileroState};
use common::{prng::Prng, random_silero};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts what this thread asks for; other tests' threads do not disturb it.
struct Counting;

// SAFETY: each call goes to the system's allocator as it came; the counter neither allocates nor touches the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the ones that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(
        allocations_of(|| drop(std::hint::black_box(vec![0_u8; 100]))),
        1
    );
}

#[test]
fn a_batch_runs_without_allocating() {
    let model = random_silero(21);
    let mut prng = Prng::new(6);
    let mut batch = SileroBatch::new(7);
    let mut states = vec![SileroState::default(); 7];
    let windows: Vec<_> = (0..7).map(|_| prng.window()).collect();
    // The first run counts too: nothing is put off until then.
    for streams in [7, 1, 3] {
        let allocations = allocations_of(|| {
            batch.clear();
            for (state, window) in states.iter().zip(&windows).take(streams) {
                batch.push(state, window);
            }
            batch.run(&model);
            for (lane, state) in states.iter_mut().enumerate().take(streams) {
                batch.take(lane, state);
            }
        });
        assert_eq!(allocations, 0, "{streams} streams");
    }
}

#[test]
fn the_energy_detector_listens_without_allocating() {
    let mut detector = EnergyDetector::new();
    let window = Prng::new(7).window();
    let allocations = allocations_of(|| {
        for _ in 0..100 {
            detector.push(&window);
        }
    });
    assert_eq!(allocations, 0);
}
