//! The ways in that a call may be given.

use crate::error::invalid_config;
use beluga_codec::{ALaw, Decoder, MuLaw, OpusDecoder};
use beluga_engine::{EAR_HZ, InDoor, PacketWriter, PcmWriter, packet_in, pcm_in};
use pyo3::prelude::*;

/// RTP clock of Opus, whatever it is decoded to (RFC 7587, section 4.1).
const OPUS_CLOCK_HZ: u32 = 48_000;
/// RTP clock and rate of G.711 (RFC 3551, section 4.5.14).
const G711_CLOCK_HZ: u32 = 8_000;

/// A door for the session, and what writes to it.
pub(crate) struct InputDoor {
    pub door: Box<dyn InDoor>,
    pub writer: InputWriter,
}

/// What writes to the door.
pub(crate) enum InputWriter {
    /// Samples.
    Pcm(PcmWriter),
    /// RTP packets.
    Packets(PacketWriter),
}

/// The door named `kind`: samples at `sample_rate_hz`, or packets of a codec held back by `jitter_target_ms`.
pub(crate) fn input_door(
    kind: &str,
    sample_rate_hz: u32,
    jitter_target_ms: u32,
) -> PyResult<InputDoor> {
    let (decoder, clock_hz): (Box<dyn Decoder>, u32) = match kind {
        "pcm" => {
            let (writer, door) =
                pcm_in(sample_rate_hz).map_err(|rate| invalid_config("input_hz", rate))?;
            return Ok(InputDoor {
                door: Box::new(door),
                writer: InputWriter::Pcm(writer),
            });
        }
        // Straight to the ear's rate: decoding to 48 kHz and resampling would cost twice as much.
        "opus" => {
            let decoder =
                OpusDecoder::new(EAR_HZ).map_err(|codec| invalid_config("input", codec))?;
            (Box::new(decoder), OPUS_CLOCK_HZ)
        }
        "pcmu" => (Box::new(MuLaw::default()), G711_CLOCK_HZ),
        "pcma" => (Box::new(ALaw::default()), G711_CLOCK_HZ),
        other => {
            let message = format!("input is '{other}', allowed is 'pcm', 'opus', 'pcmu' or 'pcma'");
            return Err(invalid_config("input", message));
        }
    };
    let (writer, door) = packet_in(decoder, clock_hz, jitter_target_ms)
        .map_err(|door| invalid_config("jitter_target_ms", door))?;
    Ok(InputDoor {
        door: Box::new(door),
        writer: InputWriter::Packets(writer),
    })
}
