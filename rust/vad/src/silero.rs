//! The model: its weights, read once and laid out for the kernels.

use crate::architecture::{BINS, CHANNELS, FRAME_SAMPLES, GATES, HIDDEN, POSITIONS, STRIDES, TAPS};
use crate::conv::Conv;
use crate::dispatch::Kernels;
use crate::error::ModelError;
use crate::lstm::{Head, Lstm};
use crate::stft::Stft;
use crate::tensors::Tensors;

/// Silero VAD v6, 16 kHz: immutable weights, 0.9 MB. `Send` and `Sync`: share it in an `Arc`.
///
/// With the weights of `silero_vad_16k_op15.onnx` (package silero-vad 6.2.3), which is what beluga-voice ships, its probabilities
/// are within 1e-4 of onnxruntime's on that file. The safetensors file of the same package holds other weights, and gives other
/// answers (issue 768 of snakers4/silero-vad).
#[derive(Debug)]
pub struct Silero {
    pub(crate) stft: Stft,
    pub(crate) convs: [Conv; 4],
    pub(crate) lstm: Lstm,
    pub(crate) head: Head,
    pub(crate) kernels: Kernels,
}

impl Silero {
    /// Reads the bytes of a safetensors file with the tensors of Silero VAD v6 at 16 kHz, such as `ci/fetch_models.py` makes, and
    /// chooses the kernels for this CPU.
    ///
    /// # Errors
    ///
    /// Any file that is not this architecture, tensor by tensor, in 32-bit floats that are finite. Tensors of other names are
    /// passed over. Never panics, whatever the bytes.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        const HIDDEN_WEIGHT: &[usize] = &[GATES, HIDDEN];
        let tensors = Tensors::parse(bytes)?;
        let basis = tensors.get("stft_conv.weight", &[2 * BINS, 1, FRAME_SAMPLES])?;
        let conv = |layer: usize, channels_in: usize, weight: &[f32], bias: Vec<f32>| {
            Conv::new(weight, bias, channels_in, POSITIONS[layer], STRIDES[layer])
        };
        Ok(Self {
            stft: Stft::new("stft_conv.weight", &basis)?,
            convs: [
                conv(
                    0,
                    BINS,
                    &tensors.get("conv1.weight", &[CHANNELS[0], BINS, TAPS])?,
                    tensors.get("conv1.bias", &[CHANNELS[0]])?,
                ),
                conv(
                    1,
                    CHANNELS[0],
                    &tensors.get("conv2.weight", &[CHANNELS[1], CHANNELS[0], TAPS])?,
                    tensors.get("conv2.bias", &[CHANNELS[1]])?,
                ),
                conv(
                    2,
                    CHANNELS[1],
                    &tensors.get("conv3.weight", &[CHANNELS[2], CHANNELS[1], TAPS])?,
                    tensors.get("conv3.bias", &[CHANNELS[2]])?,
                ),
                conv(
                    3,
                    CHANNELS[2],
                    &tensors.get("conv4.weight", &[CHANNELS[3], CHANNELS[2], TAPS])?,
                    tensors.get("conv4.bias", &[CHANNELS[3]])?,
                ),
            ],
            lstm: Lstm::new(
                &tensors.get("lstm_cell.weight_ih", HIDDEN_WEIGHT)?,
                &tensors.get("lstm_cell.weight_hh", HIDDEN_WEIGHT)?,
                &tensors.get("lstm_cell.bias_ih", &[GATES])?,
                &tensors.get("lstm_cell.bias_hh", &[GATES])?,
            ),
            head: Head::new(
                &tensors.get("final_conv.weight", &[1, HIDDEN, 1])?,
                tensors.get("final_conv.bias", &[1])?[0],
            ),
            kernels: Kernels::for_this_cpu(),
        })
    }
}
