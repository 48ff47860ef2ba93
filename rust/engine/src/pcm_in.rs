//! `PcmIn` with `clock=local`: a ring of samples whose writer keeps our time, and nothing else.

use crate::catching_up::{CatchingUp, Writer};
use crate::counters::Counters;
use crate::door::{EarFrame, InDoor};
use crate::gauge::Gauge;
use crate::time::{EAR_FRAME_SAMPLES, EAR_HZ};
use beluga_dsp::level::rms_dbfs;
use beluga_dsp::pcm::to_f32;
use beluga_dsp::{Alignment, ResampleError, Resampler};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;

/// How much the ring holds, in milliseconds. The writer waits when it is full.
pub const PCM_IN_CAPACITY_MS: u32 = 1_000;
/// Writes whose time is kept: a full ring in pieces of 8 ms. In smaller ones some go by the time of the write after them.
const STAMPS: usize = 128;

/// When a piece was written.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    /// Samples written with it and before it.
    end: u64,
    at_us: u64,
}

/// The caller's side.
#[derive(Debug)]
pub struct PcmWriter {
    samples: Producer<i16>,
    stamps: Producer<Stamp>,
    gauge: Arc<Gauge>,
    capacity: u64,
    written: u64,
}

/// The shard's side.
#[derive(Debug)]
pub struct PcmIn {
    samples: Consumer<i16>,
    stamps: Consumer<Stamp>,
    gauge: Arc<Gauge>,
    read: u64,
    catching_up: CatchingUp,
    resampler: Resampler,
    raw: Box<[i16]>,
    source: Box<[f32]>,
    resampled: Box<[f32]>,
    /// What the last tick's input gave beyond its frame: one sample at most, for no rate is below half of the ear's.
    surplus: Option<f32>,
}

/// A door for sound at `sample_rate_hz`, and its writer, who may write ahead of time.
///
/// # Errors
/// [`ResampleError`] for a rate that is out of range.
pub fn pcm_in(sample_rate_hz: u32) -> Result<(PcmWriter, PcmIn), ResampleError> {
    door(sample_rate_hz, Writer::AtWill)
}

/// The same for a writer who brings what is recorded as it is recorded. What comes late is waited for and then made up for,
/// so that no word is torn; what waits for long was held up on its way here, and pauses are shortened until nothing waits.
///
/// # Errors
/// [`ResampleError`] for a rate that is out of range.
pub fn live_pcm_in(sample_rate_hz: u32) -> Result<(PcmWriter, PcmIn), ResampleError> {
    door(sample_rate_hz, Writer::Live)
}

fn door(sample_rate_hz: u32, writer: Writer) -> Result<(PcmWriter, PcmIn), ResampleError> {
    // Delayed: each frame has its 160 samples from the first on.
    let resampler = Resampler::new(sample_rate_hz, EAR_HZ, Alignment::Delayed)?;
    let capacity = (sample_rate_hz / 1_000 * PCM_IN_CAPACITY_MS) as usize;
    let (samples_in, samples_out) = RingBuffer::new(capacity);
    let (stamps_in, stamps_out) = RingBuffer::new(STAMPS);
    let gauge = Arc::new(Gauge::default());
    let longest = (sample_rate_hz / 100 + 2) as usize;
    let pcm_writer = PcmWriter {
        samples: samples_in,
        stamps: stamps_in,
        gauge: gauge.clone(),
        capacity: capacity as u64,
        written: 0,
    };
    let door = PcmIn {
        samples: samples_out,
        stamps: stamps_out,
        gauge,
        read: 0,
        catching_up: CatchingUp::new(writer),
        resampler,
        raw: vec![0; longest].into(),
        source: vec![0.0; longest].into(),
        resampled: vec![0.0; EAR_FRAME_SAMPLES + 1].into(),
        surplus: None,
    };
    Ok((pcm_writer, door))
}

impl PcmWriter {
    /// Queues what there is room for at `now_us` and says how much that was.
    pub fn write(&mut self, now_us: u64, pcm: &[i16]) -> usize {
        // No more than there is room for: the stamp is there before its samples are.
        let taken = pcm.len().min(self.samples.slots());
        if taken > 0 {
            self.written += taken as u64;
            let stamp = Stamp {
                end: self.written,
                at_us: now_us,
            };
            // Without a place of its own the piece goes by the time of the one after it.
            let _ = self.stamps.push(stamp);
            let (pushed, _) = self.samples.push_partial_slice(&pcm[..taken]);
            debug_assert_eq!(pushed.len(), taken, "nobody else writes");
        }
        taken
    }

    /// Counts samples taken from the ring.
    #[must_use]
    pub fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }

    /// What [`gauge`](Self::gauge) must reach for `samples` to have room.
    #[must_use]
    pub fn room_for(&self, samples: usize) -> u64 {
        (self.written + (samples as u64).min(self.capacity)).saturating_sub(self.capacity)
    }
}

impl PcmIn {
    /// When the oldest sample that waits was written.
    fn written_us(&mut self) -> Option<u64> {
        while self.stamps.peek().is_ok_and(|stamp| stamp.end <= self.read) {
            let _ = self.stamps.pop();
        }
        self.stamps.peek().ok().map(|stamp| stamp.at_us)
    }

    /// Takes the next 10 ms, `wanted` samples, into `source`; false where there are not as many. Half a frame is left where it
    /// is: cutting it off would lose its other half.
    fn take(&mut self, wanted: usize) -> bool {
        let raw = &mut self.raw[..wanted];
        if self.samples.pop_entire_slice(raw).is_err() {
            return false;
        }
        self.read += wanted as u64;
        to_f32(raw, &mut self.source[..wanted]);
        true
    }

    /// Whether the frame that was just taken is to be left out.
    fn is_spare(&mut self, wanted: usize) -> bool {
        let level_dbfs = if self.catching_up.is_behind() {
            rms_dbfs(&self.source[..wanted])
        } else {
            0.0
        };
        let waiting = (self.samples.slots() / wanted) as u32;
        self.catching_up.leaves_out(waiting, level_dbfs)
    }
}

impl InDoor for PcmIn {
    fn due(&mut self) -> usize {
        let waiting = self.samples.slots();
        let surplus = usize::from(self.surplus.is_some());
        let has = |frames: u32| {
            let samples = frames as usize * EAR_FRAME_SAMPLES - surplus;
            self.resampler.input_needed(samples) <= waiting
        };
        self.catching_up.due(has) as usize
    }

    fn pull(&mut self, now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool {
        counters.input_waiting_samples.note(self.samples.slots());
        let surplus = self.surplus.take();
        let (first, rest) = frame.split_at_mut(usize::from(surplus.is_some()));
        first.copy_from_slice(surplus.as_slice());
        let wanted = self.resampler.input_needed(rest.len());
        let written_us = self.written_us();
        let mut taken = !self.catching_up.is_silence_next() && self.take(wanted);
        if taken && self.is_spare(wanted) {
            counters
                .input_caught_up_samples
                .add(EAR_FRAME_SAMPLES as u64);
            taken = self.take(wanted);
        }
        if taken {
            if let Some(written_us) = written_us {
                counters.frame_age_in_us.note(written_us, now_us);
            }
        } else {
            self.catching_up.starved();
            self.source[..wanted].fill(0.0);
            counters.input_starved_samples.add(EAR_FRAME_SAMPLES as u64);
        }
        let given = self
            .resampler
            .process(&self.source[..wanted], &mut self.resampled);
        rest.copy_from_slice(&self.resampled[..rest.len()]);
        self.surplus = self.resampled[rest.len()..given].first().copied();
        self.gauge.advance(self.read)
    }
}
