//! Sample formats, resampling, gain, fades, levels and WAV: pure signal code.
//!
//! Sound is mono `f32` with full scale at 1.0 unless a signature says otherwise. Nothing here reads a clock, takes a lock or
//! allocates while sound flows: what must be allocated is allocated by a constructor.
//!
//! Broken samples have one meaning everywhere: where a sample is kept or summed with others (resampler, mixer, level, WAV)
//! a NaN or an infinity counts as silence, so that it cannot outlive its own instant; [`pcm::to_i16`], the way out, makes NaN
//! silence and lets infinities saturate.

mod companding;
mod dot;
pub mod fade;
mod file_kind;
mod finite;
pub mod gain;
mod kernel;
pub mod level;
pub mod mix;
pub mod pcm;
mod phase_table;
mod resampler;
pub mod wav;

pub use resampler::{Alignment, MAX_RATE_HZ, MIN_RATE_HZ, ResampleError, Resampler};
