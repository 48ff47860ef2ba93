//! A model file to damage: that of the tests of beluga-vad, with random weights.

use std::sync::LazyLock;

use beluga_vad::{Silero, SileroBatch, SileroState, WINDOW_SAMPLES};

#[allow(dead_code, missing_docs)]
#[path = "../../../rust/vad/tests/common/prng.rs"]
mod prng;
#[allow(missing_docs)]
#[path = "../../../rust/vad/tests/common/random_model.rs"]
mod random_model;

/// The header's length, before it.
const LENGTH_BYTES: usize = 8;

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| random_model::file(&random_model::tensors(3)));

/// The whole file.
pub fn bytes() -> &'static [u8] {
    &FILE
}

/// The header, which is JSON, and the values behind it.
pub fn header_and_values() -> (&'static [u8], &'static [u8]) {
    let (start, values) = FILE.split_at(values_at());
    (&start[LENGTH_BYTES..], values)
}

/// Where the values begin.
pub fn values_at() -> usize {
    let (length, _) = FILE
        .split_first_chunk::<LENGTH_BYTES>()
        .expect("a header's length");
    LENGTH_BYTES + u64::from_le_bytes(*length) as usize
}

/// Loads a file: whether it is a model. What is refused is refused in words; a model gives probabilities.
pub fn check(bytes: &[u8]) -> bool {
    let model = match Silero::from_safetensors(bytes) {
        Ok(model) => model,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let mut state = SileroState::default();
    let mut batch = SileroBatch::new(1);
    for loudness in [0.0, 1.0, f32::MAX] {
        let window = std::array::from_fn::<f32, WINDOW_SAMPLES, _>(|n| loudness * (n as f32).sin());
        batch.clear();
        let lane = batch.push(&state, &window);
        batch.run(&model);
        let probability = batch.take(lane, &mut state);
        assert!((0.0..=1.0).contains(&probability), "{probability}");
    }
    true
}
