//! Whatever the bytes of a model file, the answer is a model or an error that says what is wrong: never a panic.

mod common;

use beluga_vad::{ModelError, Silero, SileroState};
use common::random_model::{file, tensors};
use common::{alone, prng::Prng};
use proptest::prelude::*;
use std::sync::LazyLock;

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| file(&tensors(3)));

fn refused(bytes: &[u8]) -> ModelError {
    Silero::from_safetensors(bytes).expect_err("a file that must be refused")
}

#[test]
fn a_wrong_shape_is_named_with_what_was_expected() {
    let mut tensors = tensors(3);
    let weight = tensors
        .iter_mut()
        .find(|tensor| tensor.name == "conv2.weight")
        .expect("conv2");
    weight.shape = vec![128, 64, 3];
    let message = refused(&file(&tensors)).to_string();
    assert_eq!(
        message,
        "tensor `conv2.weight` has shape [128, 64, 3], expected [64, 128, 3]"
    );
}

#[test]
fn each_missing_tensor_is_named() {
    for absent in 0..15 {
        let mut tensors = tensors(3);
        let name = tensors.remove(absent).name;
        let error = refused(&file(&tensors));
        assert!(
            matches!(error, ModelError::Missing { name: missing } if missing == name),
            "{error}"
        );
    }
}

#[test]
fn half_precision_is_named() {
    let header = String::from_utf8_lossy(&GOOD[8..3000]).into_owned();
    let at = 8 + header.find("\"F32\"").expect("an F32 tensor");
    let mut bytes = GOOD.clone();
    // The same number of bytes read as 32-bit integers.
    bytes[at..at + 5].copy_from_slice(b"\"I32\"");
    let error = refused(&bytes);
    assert!(
        error.to_string().ends_with("holds I32, expected F32"),
        "{error}"
    );
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    for poison in [f32::NAN, f32::INFINITY] {
        let mut tensors = tensors(3);
        let bias = tensors
            .iter_mut()
            .find(|tensor| tensor.name == "conv3.bias")
            .expect("conv3");
        bias.values[5] = poison;
        let error = refused(&file(&tensors));
        assert!(
            matches!(
                error,
                ModelError::NotFinite {
                    name: "conv3.bias",
                    index: 5
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn a_spectrum_that_is_not_the_fourier_basis_is_refused() {
    let mut tensors = tensors(3);
    tensors[0].values[200 * 256 + 100] += 0.01;
    let error = refused(&file(&tensors));
    assert!(
        matches!(error, ModelError::Basis { difference, .. } if difference > 0.009),
        "{error}"
    );
}

#[test]
fn enormous_weights_leave_the_state_finite() {
    let mut tensors = tensors(3);
    for tensor in tensors.iter_mut().skip(1) {
        tensor.values.iter_mut().for_each(|value| *value *= 1e30);
    }
    let model = Silero::from_safetensors(&file(&tensors)).expect("finite weights");
    let (mut state, mut prng) = (SileroState::default(), Prng::new(4));
    for _ in 0..20 {
        let probability = alone(&model, &mut state, &prng.window());
        assert!((0.0..=1.0).contains(&probability), "{probability}");
        assert!(
            state
                .hidden()
                .iter()
                .chain(state.cell())
                .all(|value| value.is_finite())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn noise_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        refused(&bytes);
    }

    #[test]
    fn a_header_of_any_length_over_noise_is_refused(
        length in prop_oneof![any::<u64>(), 0..3000_u64],
        header in "[\\[\\]{}\":,a-zA-Z0-9_.]{0,500}",
    ) {
        refused(&[&length.to_le_bytes(), header.as_bytes()].concat());
    }

    #[test]
    fn a_file_cut_short_is_refused(share in 0.0..1.0_f64) {
        refused(&GOOD[..(share * GOOD.len() as f64) as usize]);
    }

    #[test]
    fn damage_anywhere_never_panics(
        damage in proptest::collection::vec((0.0..1.0_f64, any::<bool>(), any::<u8>()), 1..20),
    ) {
        let mut bytes = GOOD.clone();
        for (place, in_header, value) in damage {
            // Half of the blows go to the header, which is a thousandth of the file.
            let span = if in_header { 1400 } else { bytes.len() };
            bytes[(place * span as f64) as usize] = value;
        }
        if let Ok(model) = Silero::from_safetensors(&bytes) {
            let probability = alone(&model, &mut SileroState::default(), &Prng::new(5).window());
            prop_assert!((0.0..=1.0).contains(&probability));
        }
    }
}
