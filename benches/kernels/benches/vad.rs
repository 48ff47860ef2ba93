//! Silero's forward pass, alone and for many streams at once, and the energy detector: one window of 32 ms.

use beluga_bench_kernels::{silero, voice_floats};
use beluga_vad::{EnergyDetector, SileroBatch, SileroState, WINDOW_SAMPLES};
use criterion::Criterion;
use std::hint::black_box;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let model = silero();
    let sound = voice_floats(16_000);
    let windows = sound.as_chunks::<WINDOW_SAMPLES>().0;
    for lanes in [1, 16, 32] {
        let mut batch = SileroBatch::new(lanes);
        let mut states = vec![SileroState::default(); lanes];
        let mut next = windows.iter().cycle();
        criterion.bench_function(&format!("vad/silero_{lanes}"), |bencher| {
            bencher.iter(|| {
                batch.clear();
                for state in &states {
                    batch.push(state, next.next().expect("windows without end"));
                }
                batch.run(&model);
                for (lane, state) in states.iter_mut().enumerate() {
                    black_box(batch.take(lane, state));
                }
            });
        });
    }
    let mut detector = EnergyDetector::new();
    let mut next = windows.iter().cycle();
    criterion.bench_function("vad/energy", |bencher| {
        bencher.iter(|| detector.push(next.next().expect("windows without end")));
    });
    criterion.final_summary();
}
