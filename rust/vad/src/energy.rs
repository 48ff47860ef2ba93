//! A detector without a model: level over an adaptive noise floor.

use crate::architecture::WINDOW_SAMPLES;

/// Windows in one block of the floor's memory: 256 ms.
const BLOCK_WINDOWS: usize = 8;
/// Blocks that the floor looks back over: 2.05 s, about as long as speech goes without a dip.
const BLOCKS: usize = 8;
/// The floor never lies lower: what is this far below a quiet room is not speech, however silent the line was before.
const LOWEST_FLOOR_DBFS: f32 = -65.0;
/// The floor taken for granted until two seconds have been heard, so that a call may begin with speech.
const FIRST_FLOOR_DBFS: f32 = -50.0;
/// Decibels over the floor at which speech is as likely as not.
const EVEN_DB: f32 = 9.0;
/// Decibels that change the odds by a factor of e.
const SLOPE_DB: f32 = 2.0;

/// Level over an adaptive noise floor, as a pseudo-probability of speech.
///
/// The floor is the lowest level of the last two seconds (the idea of minimum statistics: Martin, IEEE Trans. Speech and Audio
/// Processing 9(5), 2001), never below -65 dBFS; during the first two seconds it is at most -50 dBFS. With `d` decibels over the
/// floor the answer is `1 / (1 + exp(-(d - 9) / 2))`: 0.05 at 3 dB, 0.5 at 9 dB, 0.95 at 15 dB, and so never 0.5 or more below
/// -56 dBFS. It hears loudness, not speech: music, a door and a cough count, and a steady sound is taken for speech for two
/// seconds and for noise from then on.
#[derive(Clone, Debug)]
pub struct EnergyDetector {
    /// Lowest level of each finished block, in a ring.
    block_floors_dbfs: [f32; BLOCKS],
    /// Where the next finished block goes.
    next_block: usize,
    /// Lowest level of the block under way.
    current_floor_dbfs: f32,
    /// Windows heard of it.
    current_windows: usize,
}

impl EnergyDetector {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        Self {
            block_floors_dbfs: [FIRST_FLOOR_DBFS; BLOCKS],
            next_block: 0,
            current_floor_dbfs: f32::INFINITY,
            current_windows: 0,
        }
    }

    /// Pseudo-probability, 0-1, that the window (16 kHz mono, f32 in [-1, 1]) is speech.
    ///
    /// A constant offset is no sound and is left out of the level. Samples that are not finite count as 0, others are limited
    /// to +-1.
    pub fn push(&mut self, window: &[f32; WINDOW_SAMPLES]) -> f32 {
        let level_dbfs = level_dbfs(window);
        // The window itself counts: a drop in noise is followed at once.
        self.current_floor_dbfs = self.current_floor_dbfs.min(level_dbfs);
        let over_db = level_dbfs - self.noise_floor_dbfs();
        self.current_windows += 1;
        if self.current_windows == BLOCK_WINDOWS {
            self.block_floors_dbfs[self.next_block] = self.current_floor_dbfs;
            self.next_block = (self.next_block + 1) % BLOCKS;
            self.current_floor_dbfs = f32::INFINITY;
            self.current_windows = 0;
        }
        1.0 / (1.0 + ((EVEN_DB - over_db) / SLOPE_DB).exp())
    }

    /// The noise floor as it stands, in dBFS (a full-scale square wave is 0).
    pub fn noise_floor_dbfs(&self) -> f32 {
        let lowest = self
            .block_floors_dbfs
            .iter()
            .copied()
            .fold(self.current_floor_dbfs, f32::min);
        lowest.max(LOWEST_FLOOR_DBFS)
    }

    /// Forgets all that was heard.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

impl Default for EnergyDetector {
    fn default() -> Self {
        Self::new()
    }
}

/// Level about the window's mean, in dBFS; -120 for silence.
fn level_dbfs(window: &[f32; WINDOW_SAMPLES]) -> f32 {
    let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
    for sample in window {
        let sample = if sample.is_finite() {
            f64::from(sample.clamp(-1.0, 1.0))
        } else {
            0.0
        };
        sum += sample;
        squares += sample * sample;
    }
    let mean = sum / WINDOW_SAMPLES as f64;
    let variance = squares / WINDOW_SAMPLES as f64 - mean * mean;
    (10.0 * variance.max(1e-12).log10()) as f32
}
