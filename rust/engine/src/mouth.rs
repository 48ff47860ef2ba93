//! The writing side of the playout queue: sound and controls from Python, bounded, in order.

use crate::event::UtteranceId;
use crate::gauge::Gauge;
use crate::playout::{Control, ControlKind, Playout};
use crate::turn::InterruptionPolicy;
use crate::voice::Voice;
use beluga_dsp::ResampleError;
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;

/// Samples the queue holds, whatever their rate: five seconds at 24 kHz.
pub const MOUTH_CAPACITY_SAMPLES: usize = 120_000;
/// Begins, marks and ends the queue holds.
pub(crate) const CONTROL_CAPACITY: usize = 512;
/// Resamplers on their way back to be freed where that disturbs nobody. The writer empties this way before it makes
/// another, so there are never more on it than waited in the queue, were playing and are being made.
const SPENT_CAPACITY: usize = CONTROL_CAPACITY + 2;

/// Why the mouth took nothing.
#[derive(Debug, thiserror::Error)]
pub enum MouthError {
    /// Sound or a mark outside of an utterance.
    #[error("no utterance is open: begin one first")]
    NoUtterance,
    /// The last utterance was not ended.
    #[error("utterance {0} is still open: end it first")]
    Open(UtteranceId),
    /// The queue of controls is full.
    #[error("{CONTROL_CAPACITY} marks and utterances wait to be played")]
    Full,
    /// A sample rate that cannot be resampled.
    #[error(transparent)]
    Rate(#[from] ResampleError),
}

/// Writes utterances. One per session.
#[derive(Debug)]
pub struct MouthWriter {
    samples: Producer<i16>,
    controls: Producer<Control>,
    spent: Consumer<Box<Voice>>,
    gauge: Arc<Gauge>,
    out_hz: u32,
    written: u64,
    utterances: UtteranceId,
    open: bool,
    rate_hz: Option<u32>,
}

/// A mouth for a transport at `out_hz`, and the playout that reads it.
#[must_use]
pub fn mouth(out_hz: u32) -> (MouthWriter, Playout) {
    let (samples_in, samples_out) = RingBuffer::new(MOUTH_CAPACITY_SAMPLES);
    let (controls_in, controls_out) = RingBuffer::new(CONTROL_CAPACITY);
    let (spent_in, spent_out) = RingBuffer::new(SPENT_CAPACITY);
    let gauge = Arc::new(Gauge::default());
    let writer = MouthWriter {
        samples: samples_in,
        controls: controls_in,
        spent: spent_out,
        gauge: gauge.clone(),
        out_hz,
        written: 0,
        utterances: 0,
        open: false,
        rate_hz: None,
    };
    (
        writer,
        Playout::new(samples_out, controls_out, spent_in, gauge, out_hz),
    )
}

impl MouthWriter {
    /// Opens the next utterance and gives its number.
    ///
    /// # Errors
    /// [`MouthError::Open`], [`MouthError::Full`].
    pub fn begin(&mut self, policy: InterruptionPolicy) -> Result<UtteranceId, MouthError> {
        if self.open {
            return Err(MouthError::Open(self.utterances));
        }
        let utterance = self.utterances + 1;
        self.control(ControlKind::Begin { utterance, policy })?;
        self.utterances = utterance;
        self.open = true;
        self.rate_hz = None;
        Ok(utterance)
    }

    /// Queues what there is room for and says how much that was; wait on [`gauge`](Self::gauge) for the rest.
    ///
    /// # Errors
    /// [`MouthError::NoUtterance`], [`MouthError::Full`], [`MouthError::Rate`].
    pub fn write(&mut self, pcm: &[i16], sample_rate_hz: u32) -> Result<usize, MouthError> {
        if !self.open {
            return Err(MouthError::NoUtterance);
        }
        if self.rate_hz != Some(sample_rate_hz) {
            while self.spent.pop().is_ok() {}
            let voice = Box::new(Voice::new(sample_rate_hz, self.out_hz)?);
            self.control(ControlKind::Rate(voice))?;
            self.rate_hz = Some(sample_rate_hz);
        }
        let (taken, _) = self.samples.push_partial_slice(pcm);
        let taken = taken.len();
        self.written += taken as u64;
        Ok(taken)
    }

    /// Puts a numbered mark behind what is written so far.
    ///
    /// # Errors
    /// [`MouthError::NoUtterance`], [`MouthError::Full`].
    pub fn mark(&mut self, mark: u32) -> Result<(), MouthError> {
        if !self.open {
            return Err(MouthError::NoUtterance);
        }
        self.control(ControlKind::Mark(mark))
    }

    /// Closes the utterance, if one is open. Until then silence after its last sample is a gap.
    ///
    /// # Errors
    /// [`MouthError::Full`]: try again when something was played.
    pub fn end(&mut self) -> Result<(), MouthError> {
        if self.open {
            self.control(ControlKind::End)?;
            self.open = false;
        }
        Ok(())
    }

    /// The newest utterance that was opened; 0 before the first.
    #[must_use]
    pub fn newest(&self) -> UtteranceId {
        self.utterances
    }

    /// Counts samples taken from the queue; there is room for as many as were taken of those written.
    #[must_use]
    pub fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }

    /// What [`gauge`](Self::gauge) must reach for `samples` to have room.
    #[must_use]
    pub fn room_for(&self, samples: usize) -> u64 {
        (self.written + samples.min(MOUTH_CAPACITY_SAMPLES) as u64)
            .saturating_sub(MOUTH_CAPACITY_SAMPLES as u64)
    }

    /// One place is kept for the end, so that an utterance can always be closed.
    fn control(&mut self, kind: ControlKind) -> Result<(), MouthError> {
        if self.controls.slots() < 2 && !matches!(kind, ControlKind::End) {
            return Err(MouthError::Full);
        }
        self.controls
            .push(Control {
                at: self.written,
                kind,
            })
            .map_err(|_| MouthError::Full)
    }
}
