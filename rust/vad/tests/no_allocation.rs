//! A tick allocates nothing: neither the batch nor the energy detector asks for memory after construction.

mod common;

use beluga_counting_alloc::{CountingAllocator, calls_of};
use beluga_vad::{EnergyDetector, SileroBatch, SileroState};
use common::{prng::Prng, random_silero};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_batch_runs_without_allocating() {
    let model = random_silero(21);
    let mut prng = Prng::new(6);
    let mut batch = SileroBatch::new(7);
    let mut states = vec![SileroState::default(); 7];
    let windows: Vec<_> = (0..7).map(|_| prng.window()).collect();
    // The first run counts too: nothing is put off until then.
    for streams in [7, 1, 3] {
        let allocations = calls_of(|| {
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
    let allocations = calls_of(|| {
        for _ in 0..100 {
            detector.push(&window);
        }
    });
    assert_eq!(allocations, 0);
}
