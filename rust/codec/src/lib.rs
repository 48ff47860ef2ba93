//! Speech codecs (Opus, G.711) behind one trait.
//!
//! Sound is mono `i16`. Nothing here reads a clock, takes a lock or, after construction, allocates; packets come from
//! strangers, so whatever their bytes are, a decoder gives sound or an error.

mod decoder;
mod encoder;
mod error;
mod g711;
mod last_frame;
#[expect(unsafe_code, reason = "the one place that calls libopus, which is C")]
mod libopus;
mod opus;

pub use decoder::{Decoder, MAX_PACKET_MS};
pub use encoder::{Effort, Encoder};
pub use error::CodecError;
pub use g711::{ALaw, MuLaw};
pub use opus::{OpusDecoder, OpusEncoder, OpusEncoderConfig};
