//! Why a model file was refused.

use safetensors::Dtype;

/// Why [`Silero::from_safetensors`](crate::Silero::from_safetensors) refused its bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The bytes are not a safetensors file, or a cut or damaged one.
    #[error("not a readable safetensors file: {0}")]
    Malformed(#[from] safetensors::SafeTensorError),
    /// A tensor of the architecture is not in the file.
    #[error("tensor `{name}` is missing: this is not the 16 kHz model of Silero VAD v6")]
    Missing {
        /// Name of the tensor.
        name: &'static str,
    },
    /// A tensor has another shape than the architecture.
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Name of the tensor.
        name: &'static str,
        /// Shape that the architecture has.
        expected: &'static [usize],
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has another element type than 32-bit floats.
    #[error("tensor `{name}` holds {found:?}, expected F32")]
    Type {
        /// Name of the tensor.
        name: &'static str,
        /// Element type in the file.
        found: Dtype,
    },
    /// A weight is infinite or not a number.
    #[error("tensor `{name}` holds a value that is not finite, at index {index}")]
    NotFinite {
        /// Name of the tensor.
        name: &'static str,
        /// Index of the first such value, the tensor seen as one row.
        index: usize,
    },
    /// The spectrum layer is not the Fourier transform that is computed in its place.
    #[error(
        "tensor `{name}` is not the periodic-Hann Fourier basis (off by up to {difference}): it cannot be replaced by an FFT"
    )]
    Basis {
        /// Name of the tensor.
        name: &'static str,
        /// Largest difference from the basis.
        difference: f32,
    },
}
