//! The detectors that a test runs with: energy always, Silero where its weights are.

use beluga_engine::Vad;
use beluga_vad::Silero;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The real model, once for all tests of a binary.
pub fn silero() -> Option<Arc<Silero>> {
    static MODEL: OnceLock<Option<Arc<Silero>>> = OnceLock::new();
    let load = || {
        let in_repository =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/beluga_voice/_models");
        let models = std::env::var_os("BELUGA_VOICE_MODELS").map_or(in_repository, Into::into);
        let path = models.join("silero_vad_16k.safetensors");
        let Ok(bytes) = std::fs::read(&path) else {
            eprintln!(
                "NOT RUN with Silero: {} is not there; python ci/fetch_models.py fetches it",
                path.display()
            );
            return None;
        };
        Some(Arc::new(
            Silero::from_safetensors(&bytes).expect("the real model"),
        ))
    };
    MODEL.get_or_init(load).clone()
}

/// Every detector that is there.
pub fn detectors() -> Vec<Vad> {
    if silero().is_some() {
        vec![Vad::Energy, Vad::Silero]
    } else {
        vec![Vad::Energy]
    }
}
