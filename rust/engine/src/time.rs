//! The units of the tick.

/// Milliseconds of sound in one tick.
pub const TICK_MS: u32 = 10;
/// Sample rate of everything that listens: VAD, turn detector, STT, recorder (design law 6).
pub const EAR_HZ: u32 = 16_000;
/// Samples of one tick at [`EAR_HZ`].
pub const EAR_FRAME_SAMPLES: usize = 160;

/// Milliseconds to samples at [`EAR_HZ`].
#[must_use]
pub const fn ear_samples(ms: u32) -> u64 {
    ms as u64 * (EAR_HZ as u64 / 1_000)
}
