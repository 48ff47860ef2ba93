//! The encoding side of a codec.

use crate::CodecError;

/// How much work an encoder spends on quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// What it was configured to.
    #[default]
    Configured,
    /// The least that still gives speech: there is no time for more.
    Least,
}

/// Turns mono sound into packets, one frame at a time. One instance per stream.
pub trait Encoder: Send + std::fmt::Debug {
    /// Rate of the sound that goes in, in Hz.
    fn sample_rate_hz(&self) -> u32;

    /// Length of a frame in samples at [`Encoder::sample_rate_hz`].
    fn frame_samples(&self) -> usize;

    /// Encodes one frame, or half of one, to the front of `out`; returns the packet's length in bytes.
    ///
    /// # Errors
    /// [`CodecError::WrongLength`] unless `pcm` is a frame or half a frame, [`CodecError::BufferTooSmall`] when `out`
    /// cannot hold a packet.
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError>;

    /// The packet that says "silence, until the next packet" and takes half a frame itself. It is not encoded: what the
    /// encoder remembers stays as it is. `None` where silence must be encoded like everything else, which is so for codecs
    /// that know no such packet and before the first frame.
    fn silence_packet(&self) -> Option<&[u8]> {
        None
    }

    /// From the next frame on. A codec that knows but one effort has nothing to do.
    fn set_effort(&mut self, _effort: Effort) {}
}
