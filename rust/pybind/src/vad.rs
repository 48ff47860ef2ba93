//! Silero on its own, for whoever wants probabilities and no call.

use crate::buffer::Pcm;
use crate::error::error;
use crate::gate::detached;
use crate::lock::lock;
use beluga_dsp::pcm::to_f32;
use beluga_vad::{Silero, SileroBatch, SileroState, WINDOW_SAMPLES};
use pyo3::prelude::*;
use std::sync::Mutex;

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct SileroVad {
    model: Silero,
    stream: Mutex<Stream>,
}

struct Stream {
    batch: SileroBatch,
    state: SileroState,
    pending: Vec<i16>,
}

#[pymethods]
impl SileroVad {
    #[new]
    fn new(weights: &[u8]) -> PyResult<Self> {
        let model = Silero::from_safetensors(weights).map_err(|model| {
            error(
                "model_load_failed",
                format!("Silero's weights: {model}"),
                "vad",
            )
        })?;
        let stream = Stream {
            batch: SileroBatch::new(1),
            state: SileroState::default(),
            pending: Vec::new(),
        };
        Ok(Self {
            model,
            stream: Mutex::new(stream),
        })
    }

    fn process(&self, py: Python<'_>, pcm: Pcm) -> PyResult<Vec<f32>> {
        detached(py, || {
            let mut stream = lock(&self.stream);
            let Stream {
                batch,
                state,
                pending,
            } = &mut *stream;
            pending.extend_from_slice(&pcm.0);
            let whole = pending.len() / WINDOW_SAMPLES * WINDOW_SAMPLES;
            let mut window = [0.0; WINDOW_SAMPLES];
            let probabilities = pending[..whole]
                .chunks_exact(WINDOW_SAMPLES)
                .map(|samples| {
                    to_f32(samples, &mut window);
                    batch.clear();
                    let lane = batch.push(state, &window);
                    batch.run(&self.model);
                    batch.take(lane, state)
                })
                .collect();
            pending.drain(..whole);
            probabilities
        })
    }

    fn reset(&self) {
        let mut stream = lock(&self.stream);
        stream.state = SileroState::default();
        stream.pending.clear();
    }
}
