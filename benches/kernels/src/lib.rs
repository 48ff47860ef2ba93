//! What the kernels are measured on: a voice, the model, packets.

use beluga_codec::Encoder;
use beluga_vad::Silero;
use std::path::Path;
use std::sync::Arc;

#[path = "../../../rust/engine/tests/common/caller.rs"]
mod caller;

pub use caller::Caller;

/// The real model.
///
/// # Panics
/// Where the weights are not: `python ci/fetch_models.py` brings them.
#[must_use]
pub fn silero() -> Arc<Silero> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../python/beluga_voice/_models/silero_vad_16k.safetensors");
    let weights = std::fs::read(&path).expect("Silero's weights: python ci/fetch_models.py");
    Arc::new(Silero::from_safetensors(&weights).expect("the real model"))
}

/// A second of a voice in a quiet room.
#[must_use]
pub fn voice(rate_hz: u32) -> Vec<i16> {
    Caller::new(rate_hz).voice(1_000).pcm()
}

/// The same with full scale at 1.
#[must_use]
pub fn voice_floats(rate_hz: u32) -> Vec<f32> {
    Caller::new(rate_hz).voice(1_000).floats()
}

/// `pcm` as packets, a frame each.
///
/// # Panics
/// If the encoder refuses its own frame length.
pub fn packets(encoder: &mut dyn Encoder, pcm: &[i16]) -> Vec<Vec<u8>> {
    let frame_samples = encoder.frame_samples();
    let encode = |frame: &[i16]| {
        let mut payload = vec![0; 1_500];
        let len = encoder.encode(frame, &mut payload).expect("a whole frame");
        payload.truncate(len);
        payload
    };
    pcm.chunks_exact(frame_samples).map(encode).collect()
}
