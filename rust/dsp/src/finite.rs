//! The one rule for broken samples.

/// `sample`, or silence where it is NaN or infinite.
pub(crate) fn finite_or_silence(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}
