//! What several test files share; none of them uses all of it.
#![allow(dead_code, missing_debug_implementations, missing_docs)]

pub mod golden_sound;
pub mod prng;
pub mod random_model;
pub mod textbook;

use beluga_vad::{Silero, SileroBatch, SileroState, WINDOW_SAMPLES};

/// A model with random weights.
pub fn random_silero(seed: u64) -> Silero {
    let bytes = random_model::file(&random_model::tensors(seed));
    Silero::from_safetensors(&bytes).expect("a model of the true shapes")
}

/// Probability of one window of one stream, alone in a batch.
pub fn alone(model: &Silero, state: &mut SileroState, window: &[f32; WINDOW_SAMPLES]) -> f32 {
    let mut batch = SileroBatch::new(1);
    let lane = batch.push(state, window);
    batch.run(model);
    batch.take(lane, state)
}
