//! What the fuzz targets share: scripts in bytes, and the rules that every decoder, jitter buffer and peer keeps.
//!
//! A target panics when a rule is broken; ci/prove/fuzz.sh says how to run one and how to repeat what it found.

pub mod decoder_rules;
pub mod jitter_rules;
#[expect(
    unsafe_code,
    reason = "compiled C calls it by a fixed name, and it must know its caller"
)]
mod libopus_coverage;
pub mod model_file;
pub mod peer_rules;
pub mod room_rules;
pub mod script;
