//! What a sampled caller hears, by the level of what his packets decode to.

use crate::arrivals::{Arrival, Arrivals};
use crate::ear::Kept;
use crate::tape::VOICE_DBFS;
use crate::voices::{Content, Heard, Voice, Voices};
use beluga_codec::{CodecError, Decoder, MAX_PACKET_MS, OpusDecoder};
use beluga_dsp::level::rms_dbfs_i16;
use beluga_engine::EAR_HZ;

/// The longest packet.
const LONGEST_SAMPLES: usize = (EAR_HZ / 1_000 * MAX_PACKET_MS) as usize;

/// Decodes packets in the order of their numbers, without a jitter buffer: what counts is when each came. Not for a tick.
#[derive(Debug)]
pub struct Hearing {
    decoder: OpusDecoder,
    arrivals: Arrivals,
    voices: Voices,
    pcm: Vec<i16>,
}

impl Hearing {
    /// Has heard nothing.
    ///
    /// # Errors
    /// [`CodecError::Library`] when memory is short.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            decoder: OpusDecoder::new(EAR_HZ)?,
            arrivals: Arrivals::default(),
            voices: Voices::default(),
            pcm: vec![0; LONGEST_SAMPLES],
        })
    }

    /// Hears the next packet; what shows with it goes to `tell`. One that cannot be decoded is silence.
    pub fn take(&mut self, kept: &Kept, tell: &mut dyn FnMut(Heard)) {
        let packet = kept.packet();
        let Arrival::Next { missing } = self.arrivals.take(packet.ssrc, packet.sequence) else {
            return;
        };
        let decoded = self.decoder.decode(packet.payload, &mut self.pcm);
        let level_dbfs = decoded.map(|samples| rms_dbfs_i16(&self.pcm[..samples]));
        let content = match level_dbfs {
            Ok(level_dbfs) if level_dbfs > VOICE_DBFS => Content::Sound,
            _ => Content::Silence,
        };
        self.voices.take(&packet, missing, content, tell);
    }

    /// The voice that is heard, or was until now.
    #[must_use]
    pub fn open(&self) -> Option<Voice> {
        self.voices.open()
    }
}
