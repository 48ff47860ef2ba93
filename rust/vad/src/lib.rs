//! Voice activity: the Silero forward pass, an energy detector, hysteresis.
//!
//! Two detectors give a probability of speech for each window of [`WINDOW_SAMPLES`] samples at 16 kHz:
//!
//! - [`Silero`], a small recurrent network (Silero VAD v6, 16 kHz, MIT), whose weights come as the bytes of a safetensors
//!   file. One immutable model serves any number of streams: each keeps a [`SileroState`], and a [`SileroBatch`] runs the windows
//!   of many streams at once, so that the weights are read once for all of them.
//! - [`EnergyDetector`], level over an adaptive noise floor, for where no model is wanted.
//!
//! Nothing here allocates after construction, reads a clock or touches a file.

mod activation;
mod architecture;
mod arithmetic;
mod batch;
mod conv;
mod dispatch;
mod energy;
mod error;
mod fft;
mod forward;
mod lstm;
mod matmul;
mod matrix;
mod silero;
mod speech;
mod state;
mod stft;
mod tensors;

pub use architecture::WINDOW_SAMPLES;
pub use batch::SileroBatch;
pub use energy::EnergyDetector;
pub use error::ModelError;
pub use silero::Silero;
pub use speech::{
    FRAME_SAMPLES, SAMPLE_RATE_HZ, SpeechConfig, SpeechConfigError, SpeechDetector, SpeechEdge,
};
pub use state::SileroState;
