//! With the real weights the kernels say what onnxruntime says, running the published ONNX file (`data/make_silero_golden.py`).
//! Runs where the weights are: in the directory that `BELUGA_VOICE_MODELS` names, or in `python/beluga_voice/_models`, where
//! `python ci/fetch_models.py` puts them.

mod common;

use beluga_vad::{Silero, SileroBatch, SileroState};
use common::golden_sound::sound;
use std::path::{Path, PathBuf};

const GOLDEN: &str = include_str!("data/silero_golden.json");

/// Largest difference that is allowed between our probability and onnxruntime's.
const TOLERANCE: f32 = 1e-4;

#[test]
fn the_sound_is_that_of_the_fixture() {
    let bytes = sound().into_iter().flat_map(i16::to_le_bytes);
    let hash = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    assert_eq!(format!("\"{hash:016x}\""), field("sound_fnv1a"));
}

#[test]
fn the_real_weights_give_what_onnxruntime_gives() {
    let path = models().join("silero_vad_16k.safetensors");
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!(
            "NOT RUN: {} is not there; python ci/fetch_models.py fetches it",
            path.display()
        );
        return;
    };
    let model = Silero::from_safetensors(&bytes).expect("the real model");
    let golden = probabilities();
    let samples: Vec<f32> = sound()
        .iter()
        .map(|sample| f32::from(*sample) / 32768.0)
        .collect();
    let windows = samples.as_chunks::<512>().0;
    assert_eq!(windows.len(), golden.len());

    let mut batch = SileroBatch::new(1);
    let mut state = SileroState::default();
    let mut worst = 0.0_f32;
    for (index, (window, expected)) in windows.iter().zip(&golden).enumerate() {
        batch.clear();
        let lane = batch.push(&state, window);
        batch.run(&model);
        let probability = batch.take(lane, &mut state);
        let off = (probability - expected).abs();
        assert!(
            off < TOLERANCE,
            "window {index}: {probability}, onnxruntime {expected}"
        );
        worst = worst.max(off);
    }
    eprintln!(
        "largest difference from onnxruntime over {} windows: {worst:e}",
        golden.len()
    );
}

#[test]
fn the_fixture_holds_both_speech_and_none() {
    let golden = probabilities();
    let speech = golden
        .iter()
        .filter(|probability| **probability > 0.9)
        .count();
    let none = golden
        .iter()
        .filter(|probability| **probability < 0.1)
        .count();
    assert!(
        speech > 50 && none > 50,
        "{speech} windows of speech, {none} of none"
    );
}

fn models() -> PathBuf {
    let in_repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/beluga_voice/_models");
    std::env::var_os("BELUGA_VOICE_MODELS").map_or(in_repository, PathBuf::from)
}

fn probabilities() -> Vec<f32> {
    let list = field("probabilities").trim_matches(['[', ']']);
    list.split(", ")
        .map(|number| number.parse().expect("a number"))
        .collect()
}

/// The value of a field of the fixture, which has one on each line.
fn field(name: &str) -> &'static str {
    let key = format!("  \"{name}\": ");
    let line = GOLDEN.lines().find_map(|line| line.strip_prefix(&key));
    line.unwrap_or_else(|| panic!("no {name} in the fixture"))
        .trim_end_matches(',')
}
