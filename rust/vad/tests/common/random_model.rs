//! A model of the true shapes with seeded random weights, as the bytes of a safetensors file.

use super::prng::Prng;
use safetensors::{Dtype, tensor::TensorView};
use std::f64::consts::TAU;

/// A named tensor, row-major.
pub struct Tensor {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// All tensors of the architecture. Weights are scaled by what goes into each output, so that every layer stays lively.
pub fn tensors(seed: u64) -> Vec<Tensor> {
    let mut prng = Prng::new(seed);
    let mut tensor = |name, shape: &[usize], limit: f32| {
        let count = shape.iter().product();
        Tensor {
            name,
            shape: shape.to_vec(),
            values: prng.values(count, limit),
        }
    };
    vec![
        Tensor {
            name: "stft_conv.weight",
            shape: vec![258, 1, 256],
            values: fourier_basis(),
        },
        tensor("conv1.weight", &[128, 129, 3], 0.05),
        tensor("conv1.bias", &[128], 0.3),
        tensor("conv2.weight", &[64, 128, 3], 0.12),
        tensor("conv2.bias", &[64], 0.3),
        tensor("conv3.weight", &[64, 64, 3], 0.2),
        tensor("conv3.bias", &[64], 0.3),
        tensor("conv4.weight", &[128, 64, 3], 0.3),
        tensor("conv4.bias", &[128], 0.3),
        tensor("lstm_cell.weight_ih", &[512, 128], 0.1),
        tensor("lstm_cell.weight_hh", &[512, 128], 0.15),
        tensor("lstm_cell.bias_ih", &[512], 0.2),
        tensor("lstm_cell.bias_hh", &[512], 0.2),
        tensor("final_conv.weight", &[1, 128, 1], 1.0),
        tensor("final_conv.bias", &[1], 0.5),
    ]
}

/// The safetensors file of the tensors.
pub fn file(tensors: &[Tensor]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| {
            tensor
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
        (
            tensor.name,
            view.expect("as many bytes as the shape asks for"),
        )
    });
    safetensors::serialize(views, None).expect("tensors that can be written")
}

/// 129 cosines and 129 negative sines of 256 samples under a periodic Hann window.
fn fourier_basis() -> Vec<f32> {
    let row = |bin: usize, part: fn(f64) -> f64| {
        (0..256).map(move |n| {
            let hann = 0.5 - 0.5 * (TAU * n as f64 / 256.0).cos();
            (hann * part(TAU * (bin * n) as f64 / 256.0)) as f32
        })
    };
    let real = (0..129).flat_map(|bin| row(bin, f64::cos));
    let imaginary = (0..129).flat_map(|bin| row(bin, |turn| -turn.sin()));
    real.chain(imaginary).collect()
}
