//! The decoding side of a codec.

use crate::CodecError;

/// Longest packet that any decoder accepts, in ms: the longest that Opus knows (RFC 6716 section 3.2.5, R5).
pub const MAX_PACKET_MS: u32 = 120;

/// Turns packets into mono sound. One instance per stream: it remembers what it has played.
pub trait Decoder: Send + std::fmt::Debug {
    /// Rate of the sound that comes out, in Hz.
    fn sample_rate_hz(&self) -> u32;

    /// Length of a packet's sound in samples at [`Decoder::sample_rate_hz`], from its header alone.
    ///
    /// # Errors
    /// [`CodecError::MalformedPacket`] if there is none, or more than [`MAX_PACKET_MS`].
    fn packet_samples(&self, payload: &[u8]) -> Result<usize, CodecError>;

    /// Whether a packet says no more than that the sender is silent (discontinuous transmission): it has no sound of its own,
    /// and does not end the silence.
    fn is_comfort(&self, _payload: &[u8]) -> bool {
        false
    }

    /// Decodes a packet to the front of `out`; returns the number of samples, that of [`Decoder::packet_samples`].
    ///
    /// # Errors
    /// [`CodecError::MalformedPacket`], and [`CodecError::BufferTooSmall`] when `out` is shorter than the packet, which can
    /// then be given again.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError>;

    /// Fills `out` with what the codec makes of a lost packet, going on from what it last gave; returns `out.len()`.
    ///
    /// # Errors
    /// [`CodecError::WrongLength`] unless `out` is a multiple of 2.5 ms, at most [`MAX_PACKET_MS`]. Empty is fine.
    fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError>;

    /// Forgets what was played: the next packet is a stream's first.
    fn reset(&mut self);
}

/// The rule on the length of [`Decoder::conceal`]'s buffer. It is libopus's, and the same for all codecs.
pub(crate) fn check_concealed(samples: usize, sample_rate_hz: u32) -> Result<(), CodecError> {
    let step = sample_rate_hz as usize / 400;
    let longest = max_packet_samples(sample_rate_hz);
    if samples > longest || !samples.is_multiple_of(step) {
        return Err(CodecError::WrongLength {
            given: samples,
            allowed: "a multiple of 2.5 ms, at most 120 ms",
        });
    }
    Ok(())
}

/// [`MAX_PACKET_MS`] in samples.
pub(crate) fn max_packet_samples(sample_rate_hz: u32) -> usize {
    (sample_rate_hz / 1_000 * MAX_PACKET_MS) as usize
}

/// Room for `needed` samples or bytes in a buffer for `given`.
pub(crate) fn check_room(needed: usize, given: usize) -> Result<(), CodecError> {
    if given < needed {
        return Err(CodecError::BufferTooSmall { needed, given });
    }
    Ok(())
}
