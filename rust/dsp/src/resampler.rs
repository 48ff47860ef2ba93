//! Streaming change of sample rate, in real time and sample-exact.

use std::fmt;
use std::sync::Arc;

use crate::finite::finite_or_silence;
use crate::phase_table::PhaseTable;

/// Lowest rate a [`Resampler`] takes or gives.
pub const MIN_RATE_HZ: u32 = 8_000;

/// Highest rate a [`Resampler`] takes or gives.
pub const MAX_RATE_HZ: u32 = 192_000;

/// Fewest input samples that fit between two moves of the history to the front of its buffer.
const MIN_BLOCK_SAMPLES: usize = 512;

/// Where the output lies on the input's time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alignment {
    /// Output `k` is the sound at `k / out_hz` of the input: timestamps stay true. The first outputs come only when the
    /// filter has seen [`Resampler::delay_s`] of what follows them.
    Compensated,
    /// Output starts with the first input sample and never pauses; the sound in it is [`Resampler::delay_s`] later.
    Delayed,
}

/// Why a [`Resampler`] cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// A rate lies outside of what is supported.
    #[error("{field} is {value}: allowed are {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")]
    RateOutOfRange {
        /// The argument's name: `in_hz` or `out_hz`.
        field: &'static str,
        /// Its value.
        value: u32,
    },
}

/// Changes the sample rate of one stream: a polyphase windowed-sinc FIR filter of linear phase.
///
/// Where the lower rate is 13.8 kHz or more, sound up to 0.9 of its Nyquist frequency passes within 0.05 dB, and what would
/// alias or image is at least 100 dB down. At 8 kHz the same holds up to 3.4 kHz and from 4.1 kHz (what lies between folds
/// onto 3.9 to 4.1 kHz, outside the telephone band); in between, the passed band is 690 Hz short of Nyquist. At most 5 ms of sound are held back. Between equal rates samples pass bit for bit.
///
/// The output depends on the samples alone: any cutting of the input into calls gives the same bits and, in sum, the same
/// counts. Samples that are NaN or infinite count as silence; finite ones up to 1e37 give finite output.
///
/// One history (2 to 16 kB) per resampler; the filter's table (at most 1 MiB, see the crate's source for the usual sizes)
/// is shared by all resamplers of a pair of rates. Only [`Resampler::new`] allocates or locks.
///
/// ```
/// use beluga_dsp::{Alignment, Resampler};
///
/// let mut resampler = Resampler::new(48_000, 16_000, Alignment::Delayed)?;
/// let mut output = [0.0; 160];
/// assert_eq!(resampler.process(&[0.0; 480], &mut output), 160);
/// # Ok::<(), beluga_dsp::ResampleError>(())
/// ```
pub struct Resampler {
    in_hz: u32,
    out_hz: u32,
    alignment: Alignment,
    /// `None` between equal rates.
    table: Option<Arc<PhaseTable>>,
    cursor: Cursor,
}

impl Resampler {
    /// A resampler in its initial state: the input before the first sample is silence.
    ///
    /// # Errors
    /// [`ResampleError::RateOutOfRange`] for a rate outside of 8 to 192 kHz.
    pub fn new(in_hz: u32, out_hz: u32, alignment: Alignment) -> Result<Self, ResampleError> {
        for (field, value) in [("in_hz", in_hz), ("out_hz", out_hz)] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&value) {
                return Err(ResampleError::RateOutOfRange { field, value });
            }
        }
        let common_hz = greatest_common_divisor(in_hz, out_hz);
        let (step, phases) = (in_hz / common_hz, out_hz / common_hz);
        let table = (in_hz != out_hz).then(|| PhaseTable::shared(in_hz, out_hz, phases));
        let taps = table.as_ref().map_or(1, |table| table.taps());
        let mut resampler = Self {
            in_hz,
            out_hz,
            alignment,
            table,
            cursor: Cursor::new(u64::from(step), u64::from(phases), taps),
        };
        resampler.reset();
        Ok(resampler)
    }

    /// Exactly how many further input samples make `output_len` further outputs available.
    pub fn input_needed(&self, output_len: usize) -> usize {
        self.cursor.input_needed(output_len)
    }

    /// Exactly how many outputs the next `input_len` input samples will give.
    pub fn output_len(&self, input_len: usize) -> usize {
        self.cursor.output_len(input_len)
    }

    /// Takes all of `input` and writes what becomes available to the front of `output`; returns how much that is, always
    /// [`Self::output_len`] of `input.len()`. Empty input is fine and gives nothing.
    ///
    /// # Panics
    /// If `output` is shorter than that.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) -> usize {
        let count = self.output_len(input.len());
        assert!(
            output.len() >= count,
            "output holds {} samples, {count} are due",
            output.len()
        );
        let output = &mut output[..count];
        match &self.table {
            None => copy_finite(input, output),
            Some(table) => self.cursor.filter(table, input, output),
        }
        count
    }

    /// How many samples of silence to give after the last input so that the tail comes out: the filter's delay.
    ///
    /// With them, [`Alignment::Compensated`] has given exactly `ceil(n * out_hz / in_hz)` outputs for `n` inputs.
    pub fn flush_len(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.half_samples())
    }

    /// The filter's delay: how much later the sound is ([`Alignment::Delayed`]), or how far behind the newest input the
    /// output stays ([`Alignment::Compensated`]). Seconds; exact, at most 4.9 ms; 0 between equal rates.
    pub fn delay_s(&self) -> f64 {
        self.flush_len() as f64 / f64::from(self.in_hz)
    }

    /// Forgets all input: the next sample is a stream's first.
    pub fn reset(&mut self) {
        let skipped = match self.alignment {
            Alignment::Compensated => self.flush_len(),
            Alignment::Delayed => 0,
        };
        self.cursor.reset(skipped);
    }
}

/// Where the next output lies in the input, and the recent input itself.
struct Cursor {
    /// An output every `step` of `phases` parts of an input sample: `in_hz : out_hz` in lowest terms.
    step: u64,
    phases: u64,
    taps: usize,
    /// Recent input is `history[..filled]`; its last `taps - 1` samples are always there.
    history: Box<[f32]>,
    filled: usize,
    /// Index in `history` of the newest sample that the next output needs; never below `filled` between calls.
    newest: usize,
    /// The next output's place after that sample, in `1 / phases` of an input sample.
    phase: u64,
}

impl Cursor {
    fn new(step: u64, phases: u64, taps: usize) -> Self {
        let capacity = taps - 1 + taps.max(MIN_BLOCK_SAMPLES);
        Self {
            step,
            phases,
            taps,
            history: vec![0.0; capacity].into_boxed_slice(),
            filled: 0,
            newest: 0,
            phase: 0,
        }
    }

    /// Back to silence, the first output waiting for `skipped` samples after the first.
    fn reset(&mut self, skipped: usize) {
        self.history.fill(0.0);
        self.filled = self.taps - 1;
        self.newest = self.filled + skipped;
        self.phase = 0;
    }

    /// Input samples still to come before the next output; at least 1 between calls.
    fn until_next(&self) -> u128 {
        (self.newest + 1 - self.filled) as u128
    }

    fn input_needed(&self, output_len: usize) -> usize {
        let Some(last) = output_len.checked_sub(1) else {
            return 0;
        };
        let parts = u128::from(self.phase) + last as u128 * u128::from(self.step);
        let needed = self.until_next() + parts / u128::from(self.phases);
        usize::try_from(needed).unwrap_or(usize::MAX)
    }

    fn output_len(&self, input_len: usize) -> usize {
        // Output k from now is there when `phase + k step < room`.
        let room =
            (input_len as u128 + 1).saturating_sub(self.until_next()) * u128::from(self.phases);
        let count = room
            .saturating_sub(u128::from(self.phase))
            .div_ceil(u128::from(self.step));
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn filter(&mut self, table: &PhaseTable, mut input: &[f32], output: &mut [f32]) {
        let whole_step = (self.step / self.phases) as usize;
        let part_step = self.step % self.phases;
        let mut outputs = output.iter_mut();
        while !input.is_empty() {
            if self.filled == self.history.len() {
                self.make_room();
            }
            let (now, later) = input.split_at(input.len().min(self.history.len() - self.filled));
            copy_finite(now, &mut self.history[self.filled..][..now.len()]);
            self.filled += now.len();
            input = later;
            while self.newest < self.filled {
                let window = &self.history[self.newest + 1 - self.taps..=self.newest];
                if let Some(sample) = outputs.next() {
                    *sample = table.output(self.phase, window);
                }
                self.newest += whole_step;
                self.phase += part_step;
                if self.phase >= self.phases {
                    self.phase -= self.phases;
                    self.newest += 1;
                }
            }
        }
    }

    /// Moves the last `taps - 1` samples, all that a window can still reach back to, to the front.
    fn make_room(&mut self) {
        let gone = self.filled + 1 - self.taps;
        self.history.copy_within(gone..self.filled, 0);
        self.filled -= gone;
        self.newest -= gone;
    }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampler")
            .field("in_hz", &self.in_hz)
            .field("out_hz", &self.out_hz)
            .field("alignment", &self.alignment)
            .finish_non_exhaustive()
    }
}

fn copy_finite(from: &[f32], to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = finite_or_silence(from);
    }
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
