//! The encoding side of a codec.

use crate::CodecError;

/// Turns mono sound into packets, one frame at a time. One instance per stream.
pub trait Encoder: Send + std::fmt::Debug {
    /// Rate of the sound that goes in, in Hz.
    fn sample_rate_hz(&self) -> u32;

    /// Length of a frame in samples at [`Encoder::sample_rate_hz`].
    fn frame_samples(&self) -> usize;

    /// Encodes one frame to the front of `out`; returns the packet's length in bytes.
    ///
    /// # Errors
    /// [`CodecError::WrongLength`] unless `pcm` is one frame, [`CodecError::BufferTooSmall`] when `out` cannot hold a
    /// packet.
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError>;
}
