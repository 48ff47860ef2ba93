//! One stretch of an utterance at one sample rate, on its way to the transport's rate.

use beluga_dsp::pcm::to_f32;
use beluga_dsp::{Alignment, ResampleError, Resampler};

/// Source samples resampled in one go.
const CHUNK_SAMPLES: usize = 512;

/// A resampler with the samples it gave beyond the end of a frame.
#[derive(Debug)]
pub struct Voice {
    resampler: Resampler,
    source: Box<[f32]>,
    pending: Box<[f32]>,
    pending_from: usize,
    pending_to: usize,
    tail: usize,
}

impl Voice {
    /// From `in_hz` to `out_hz`.
    ///
    /// # Errors
    /// [`ResampleError`] for a rate that is out of range.
    pub fn new(in_hz: u32, out_hz: u32) -> Result<Self, ResampleError> {
        let resampler = Resampler::new(in_hz, out_hz, Alignment::Compensated)?;
        // The most that one chunk can give, wherever between two of its outputs it begins.
        let most = (CHUNK_SAMPLES * out_hz as usize).div_ceil(in_hz as usize) + 1;
        let tail = resampler.flush_len();
        Ok(Self {
            resampler,
            source: vec![0.0; CHUNK_SAMPLES].into_boxed_slice(),
            pending: vec![0.0; most].into_boxed_slice(),
            pending_from: 0,
            pending_to: 0,
            tail,
        })
    }

    /// Moves what was resampled earlier into `frame` and says how much.
    pub(crate) fn take(&mut self, frame: &mut [f32]) -> usize {
        let len = frame.len().min(self.pending_to - self.pending_from);
        frame[..len].copy_from_slice(&self.pending[self.pending_from..self.pending_from + len]);
        self.pending_from += len;
        len
    }

    /// How many source samples are wanted to fill `frame_len` more, at most one chunk. Never 0 for a wanted sample.
    pub(crate) fn wants(&self, frame_len: usize) -> usize {
        self.resampler
            .input_needed(frame_len)
            .clamp(1, CHUNK_SAMPLES)
    }

    /// Resamples source samples (at most what it wants) behind what is pending.
    pub(crate) fn put(&mut self, source: &[i16]) {
        to_f32(source, &mut self.source[..source.len()]);
        self.resample(source.len());
    }

    /// Pushes out the filter's tail, a chunk at a time; false when all is out.
    pub(crate) fn put_tail(&mut self, frame_len: usize) -> bool {
        if self.tail == 0 {
            return false;
        }
        let zeros = self.tail.min(self.wants(frame_len));
        self.tail -= zeros;
        self.source[..zeros].fill(0.0);
        self.resample(zeros);
        true
    }

    fn resample(&mut self, len: usize) {
        debug_assert_eq!(
            self.pending_from, self.pending_to,
            "what is pending is taken first"
        );
        self.pending_from = 0;
        self.pending_to = self
            .resampler
            .process(&self.source[..len], &mut self.pending);
    }
}
