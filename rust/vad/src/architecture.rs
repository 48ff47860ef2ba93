//! The shapes of Silero VAD v6 at 16 kHz, as its published files give them.
//!
//! 64 samples of context and 512 new ones, 64 more mirrored at the end, make four frames of 256 samples with hop 128. Their
//! magnitude spectra pass four convolutions over time (kernel 3, padding 1) that leave one vector of 128, an LSTM cell, and a head.

/// Samples in one window: 32 ms at 16 kHz, mono, f32 in [-1, 1].
pub const WINDOW_SAMPLES: usize = 512;

/// Samples of the window before that each window begins with.
pub(crate) const CONTEXT_SAMPLES: usize = 64;
/// Samples mirrored at the end, so that the last frame is whole.
pub(crate) const MIRROR_SAMPLES: usize = 64;
/// Context, window and mirror: what the four frames are cut from.
pub(crate) const PADDED_SAMPLES: usize = CONTEXT_SAMPLES + WINDOW_SAMPLES + MIRROR_SAMPLES;

/// Samples in one frame of the spectrum.
pub(crate) const FRAME_SAMPLES: usize = 256;
/// Samples from one frame to the next.
pub(crate) const HOP_SAMPLES: usize = 128;
/// Frames in one window.
pub(crate) const FRAMES: usize = (PADDED_SAMPLES - FRAME_SAMPLES) / HOP_SAMPLES + 1;
/// Frequencies in a frame's magnitude spectrum.
pub(crate) const BINS: usize = FRAME_SAMPLES / 2 + 1;

/// Taps of each convolution over time.
pub(crate) const TAPS: usize = 3;
/// Output channels of the four convolutions.
pub(crate) const CHANNELS: [usize; 4] = [128, 64, 64, 128];
/// Steps in time between the outputs of the four convolutions.
pub(crate) const STRIDES: [usize; 4] = [1, 2, 2, 1];
/// Positions in time that go into the four convolutions, and what the last one leaves.
pub(crate) const POSITIONS: [usize; 5] = [FRAMES, 4, 2, 1, 1];

/// Width of the LSTM: of its input, its hidden and its cell state.
pub(crate) const HIDDEN: usize = 128;
/// Input, forget, cell and output gate, in this order.
pub(crate) const GATES: usize = 4 * HIDDEN;

const _: () = assert!(FRAMES == 4 && BINS == 129 && CHANNELS[3] == HIDDEN);
