//! Windows of many streams, run together.

use crate::architecture::{
    CONTEXT_SAMPLES, HIDDEN, MIRROR_SAMPLES, PADDED_SAMPLES, WINDOW_SAMPLES,
};
use crate::forward::Lanes;
use crate::lstm::CELL_INPUTS;
use crate::silero::Silero;
use crate::state::SileroState;

/// Largest magnitude of a sample that is taken as it is: sound lies within 1.
const LOUDEST: f32 = 1024.0;

/// Room for the windows of up to so many streams, one lane each, allocated once.
///
/// `clear`, `push` for each stream, `run`, `take` for each stream. None of them allocates. A stream's result is the same to the
/// last bit whichever lane it has and whoever its neighbours are.
#[derive(Debug)]
pub struct SileroBatch {
    lanes: Lanes,
    capacity: usize,
    len: usize,
    ran: bool,
}

impl SileroBatch {
    /// Room for `max_lanes` streams, 12 kB each.
    pub fn new(max_lanes: usize) -> Self {
        Self {
            lanes: Lanes::new(max_lanes),
            capacity: max_lanes,
            len: 0,
            ran: false,
        }
    }

    /// Empties all lanes.
    pub fn clear(&mut self) {
        self.len = 0;
        self.ran = false;
    }

    /// Lanes filled since [`SileroBatch::clear`].
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no lane is filled.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lanes that there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Puts a stream's next window (16 kHz mono, f32 in [-1, 1]) into a lane and returns the lane.
    ///
    /// Samples that are not finite count as 0; others are limited to +-1024, so that nothing overflows on the way.
    ///
    /// # Panics
    ///
    /// If all lanes are filled, or if the batch has run and was not cleared.
    pub fn push(&mut self, state: &SileroState, window: &[f32; WINDOW_SAMPLES]) -> usize {
        assert!(
            !self.ran,
            "the batch has run: clear it before the next push"
        );
        assert!(
            self.len < self.capacity,
            "all {} lanes are filled",
            self.capacity
        );
        let lane = self.len;
        let samples = &mut self.lanes.samples[lane * PADDED_SAMPLES..][..PADDED_SAMPLES];
        let (heard, mirror) = samples.split_at_mut(PADDED_SAMPLES - MIRROR_SAMPLES);
        heard[..CONTEXT_SAMPLES].copy_from_slice(&state.context);
        for (sample, raw) in heard[CONTEXT_SAMPLES..].iter_mut().zip(window) {
            *sample = sanitised(*raw);
        }
        // Mirrored about the last sample, which is not repeated.
        for (sample, mirrored) in mirror.iter_mut().zip(heard.iter().rev().skip(1)) {
            *sample = *mirrored;
        }
        let hidden = &mut self.lanes.x_and_hidden[lane * CELL_INPUTS..][HIDDEN..CELL_INPUTS];
        hidden.copy_from_slice(&state.hidden);
        self.lanes.cell[lane * HIDDEN..][..HIDDEN].copy_from_slice(&state.cell);
        self.len += 1;
        lane
    }

    /// Computes all filled lanes.
    pub fn run(&mut self, model: &Silero) {
        if !self.ran {
            model.kernels.run(model, &mut self.lanes, self.len);
            self.ran = true;
        }
    }

    /// Writes the stream's new state and returns the probability, 0-1, that its window is speech.
    ///
    /// # Panics
    ///
    /// If the lane was not filled, or if the batch has not run.
    pub fn take(&mut self, lane: usize, state: &mut SileroState) -> f32 {
        assert!(
            lane < self.len,
            "lane {lane} of {} was not filled",
            self.len
        );
        assert!(self.ran, "the batch has not run");
        let window_end = CONTEXT_SAMPLES + WINDOW_SAMPLES;
        let samples = &self.lanes.samples[lane * PADDED_SAMPLES..][..window_end];
        state
            .context
            .copy_from_slice(&samples[window_end - CONTEXT_SAMPLES..]);
        let hidden = &self.lanes.x_and_hidden[lane * CELL_INPUTS..][HIDDEN..CELL_INPUTS];
        state.hidden.copy_from_slice(hidden);
        state
            .cell
            .copy_from_slice(&self.lanes.cell[lane * HIDDEN..][..HIDDEN]);
        self.lanes.probability[lane]
    }
}

/// 0 for what is not finite, else limited to +-[`LOUDEST`].
fn sanitised(sample: f32) -> f32 {
    if sample.is_finite() {
        sample.clamp(-LOUDEST, LOUDEST)
    } else {
        0.0
    }
}
