//! What callers and agents say, made once for all.

use beluga_codec::{Encoder, OpusEncoder, OpusEncoderConfig};
use beluga_dsp::pcm::to_i16;
use beluga_dsp::wav;
use std::error::Error;

/// A question and its answer take this long, pauses included.
pub(crate) const CYCLE_MS: u64 = 10_000;
pub(crate) const PACKET_MS: u64 = 20;
const RATE_HZ: u32 = 16_000;

pub(crate) struct Speech {
    /// A cycle of speech in Opus packets. Every session is sent the same ones: what encoding costs is the callers'.
    pub(crate) packets: Vec<Vec<u8>>,
    /// The same as samples, for the agents.
    pub(crate) pcm: Vec<i16>,
    pub(crate) rate_hz: u32,
}

impl Speech {
    /// A recording at 16 kHz, played over and over.
    pub(crate) fn encoded(wav_file: &[u8]) -> Result<Self, Box<dyn Error>> {
        let recording = wav::parse(wav_file)?;
        if (recording.sample_rate_hz, recording.channels) != (RATE_HZ, 1) {
            return Err("the speech is to be mono at 16 kHz".into());
        }
        let mut once = vec![0; recording.samples.len()];
        to_i16(&recording.samples, &mut once);
        let cycle = CYCLE_MS as usize * RATE_HZ as usize / 1_000;
        let pcm: Vec<i16> = once.into_iter().cycle().take(cycle).collect();
        let mut encoder = OpusEncoder::new(OpusEncoderConfig {
            sample_rate_hz: RATE_HZ,
            complexity: 5,
            bitrate_bps: 24_000,
        })?;
        let mut payload = [0; 1_500];
        let packets = pcm
            .chunks_exact(PACKET_MS as usize * RATE_HZ as usize / 1_000)
            .map(|frame| {
                let len = encoder.encode(frame, &mut payload)?;
                Ok(payload[..len].to_vec())
            })
            .collect::<Result<_, Box<dyn Error>>>()?;
        Ok(Self {
            packets,
            pcm,
            rate_hz: RATE_HZ,
        })
    }
}
