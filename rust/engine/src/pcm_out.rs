//! Sound to a caller in the same process, or to a recorder: a ring that anyone may read.

use crate::counters::Counters;
use crate::door::{OutDoor, SendTime};
use crate::playout::MAX_OUT_FRAME_SAMPLES;
use crate::sound_ring::{SoundRing, SoundWriter, sound_ring};
use beluga_codec::Effort;
use std::sync::Arc;

/// How much the ring keeps, in milliseconds; a slower reader loses the oldest and is told.
pub const PCM_OUT_CAPACITY_MS: u32 = 4_000;

/// A door that hands out PCM.
#[derive(Debug)]
pub struct PcmOut {
    writer: SoundWriter,
    sample_rate_hz: u32,
}

/// A door at `sample_rate_hz` (a multiple of 400, so that frames fit the ring), and its ring.
#[must_use]
pub fn pcm_out(sample_rate_hz: u32) -> (PcmOut, Arc<SoundRing>) {
    let (writer, ring) = sound_ring((sample_rate_hz / 1_000 * PCM_OUT_CAPACITY_MS) as usize);
    (
        PcmOut {
            writer,
            sample_rate_hz,
        },
        ring,
    )
}

impl OutDoor for PcmOut {
    fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    fn lead_ms(&self) -> u32 {
        0
    }

    fn send(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool {
        self.writer.write(frame);
        counters.frame_age_out_us.note(time.due_us, time.now_us);
        false
    }

    /// Silence: a position in the ring stays session time, and what is skipped is heard as what it is, a gap.
    fn skip(&mut self, frame: &[i16], _time: SendTime, _counters: &Counters) -> bool {
        let silence = [0; MAX_OUT_FRAME_SAMPLES];
        self.writer.write(&silence[..frame.len()]);
        false
    }

    /// Samples cost the same with any effort.
    fn set_effort(&mut self, _effort: Effort) {}
}
