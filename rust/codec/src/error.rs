//! What can go wrong in a codec.

/// Why a codec refused a configuration, a packet or a buffer. After any of these it can be used as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A setting is out of range.
    #[error("{field} is {value}: allowed are {allowed}")]
    InvalidConfig {
        /// The setting's name.
        field: &'static str,
        /// Its value.
        value: u32,
        /// What it may be, in words.
        allowed: &'static str,
    },
    /// The bytes are no packet of this codec: empty, contradictory, or longer than 120 ms.
    #[error("malformed packet")]
    MalformedPacket,
    /// The buffer given for the result cannot hold it.
    #[error("buffer too small: {needed} needed, {given} given")]
    BufferTooSmall {
        /// Samples, or bytes for an encoder, that it has to hold.
        needed: usize,
        /// What it holds.
        given: usize,
    },
    /// This many samples cannot be encoded, or concealed, at once.
    #[error("{given} samples given: allowed is {allowed}")]
    WrongLength {
        /// Length of the buffer.
        given: usize,
        /// What it may be, in words.
        allowed: &'static str,
    },
    /// The codec's library failed for a reason of its own, such as lack of memory.
    #[error("{operation} failed with code {code}")]
    Library {
        /// The function that failed.
        operation: &'static str,
        /// What it returned.
        code: i32,
    },
}
