//! `PcmIn` with `clock=local`: a ring of samples whose writer keeps our time, and nothing else.

use crate::counters::Counters;
use crate::door::{EarFrame, InDoor};
use crate::gauge::Gauge;
use crate::time::{EAR_FRAME_SAMPLES, EAR_HZ};
use beluga_dsp::pcm::to_f32;
use beluga_dsp::{Alignment, ResampleError, Resampler};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;

/// How much the ring holds, in milliseconds. The writer waits when it is full.
pub const PCM_IN_CAPACITY_MS: u32 = 1_000;

/// The caller's side.
#[derive(Debug)]
pub struct PcmWriter {
    samples: Producer<i16>,
    gauge: Arc<Gauge>,
    capacity: u64,
    written: u64,
}

/// The shard's side.
#[derive(Debug)]
pub struct PcmIn {
    samples: Consumer<i16>,
    gauge: Arc<Gauge>,
    read: u64,
    resampler: Resampler,
    raw: Box<[i16]>,
    source: Box<[f32]>,
    resampled: Box<[f32]>,
    /// What the last tick's input gave beyond its frame: one sample at most, for no rate is below half of the ear's.
    surplus: Option<f32>,
}

/// A door for sound at `sample_rate_hz`, and its writer.
///
/// # Errors
/// [`ResampleError`] for a rate that is out of range.
pub fn pcm_in(sample_rate_hz: u32) -> Result<(PcmWriter, PcmIn), ResampleError> {
    // Delayed: each tick gets its 160 samples from the first on, and media time is the tick's time.
    let resampler = Resampler::new(sample_rate_hz, EAR_HZ, Alignment::Delayed)?;
    let capacity = (sample_rate_hz / 1_000 * PCM_IN_CAPACITY_MS) as usize;
    let (samples_in, samples_out) = RingBuffer::new(capacity);
    let gauge = Arc::new(Gauge::default());
    let longest = (sample_rate_hz / 100 + 2) as usize;
    let writer = PcmWriter {
        samples: samples_in,
        gauge: gauge.clone(),
        capacity: capacity as u64,
        written: 0,
    };
    let door = PcmIn {
        samples: samples_out,
        gauge,
        read: 0,
        resampler,
        raw: vec![0; longest].into(),
        source: vec![0.0; longest].into(),
        resampled: vec![0.0; EAR_FRAME_SAMPLES + 1].into(),
        surplus: None,
    };
    Ok((writer, door))
}

impl PcmWriter {
    /// Queues what there is room for and says how much that was.
    pub fn write(&mut self, pcm: &[i16]) -> usize {
        let (taken, _) = self.samples.push_partial_slice(pcm);
        self.written += taken.len() as u64;
        taken.len()
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

impl InDoor for PcmIn {
    fn pull(&mut self, _now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool {
        let surplus = self.surplus.take();
        let (first, rest) = frame.split_at_mut(usize::from(surplus.is_some()));
        first.copy_from_slice(surplus.as_slice());
        let wanted = self.resampler.input_needed(rest.len());
        let (raw, source) = (&mut self.raw[..wanted], &mut self.source[..wanted]);
        if self.samples.pop_entire_slice(raw).is_ok() {
            self.read += wanted as u64;
            to_f32(raw, source);
        } else {
            // Half a frame is left where it is: cutting it off would lose its other half.
            source.fill(0.0);
            counters.input_starved_samples.add(EAR_FRAME_SAMPLES as u64);
        }
        let given = self.resampler.process(source, &mut self.resampled);
        rest.copy_from_slice(&self.resampled[..rest.len()]);
        self.surplus = self.resampled[rest.len()..given].first().copied();
        self.gauge.advance(self.read)
    }
}
