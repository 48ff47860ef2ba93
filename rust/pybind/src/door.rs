//! The ways in and out that a call may be given.

use crate::error::invalid_config;
use beluga_codec::{ALaw, CodecError, Decoder, MuLaw, OpusDecoder, OpusEncoder, OpusEncoderConfig};
use beluga_engine::{
    DelayBounds, EAR_HZ, InDoor, OutDoor, PacketInError, PacketReader, PacketWriter, PcmWriter,
    SoundRing, live_pcm_in, packet_in, packet_out, pcm_in, pcm_out,
};
use beluga_jitter::JitterConfigError;
use pyo3::prelude::*;
use std::sync::Arc;

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
    /// Whatever its room receives.
    Room,
}

/// The door named `kind`: samples at `sample_rate_hz`, or packets of a codec, delayed within `delay`.
pub(crate) fn input_door(
    kind: &str,
    sample_rate_hz: u32,
    delay: DelayBounds,
) -> PyResult<InputDoor> {
    let (decoder, clock_hz): (Box<dyn Decoder>, u32) = match kind {
        "pcm" | "live_pcm" => {
            let open = if kind == "pcm" { pcm_in } else { live_pcm_in };
            let (writer, door) =
                open(sample_rate_hz).map_err(|rate| invalid_config("input_hz", rate))?;
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
            let message = format!(
                "input is '{other}', allowed is 'pcm', 'live_pcm', 'opus', 'pcmu' or 'pcma'"
            );
            return Err(invalid_config("input", message));
        }
    };
    let (writer, door) = packet_in(decoder, clock_hz, delay)
        .map_err(|door| invalid_config(delay_field(&door), door))?;
    Ok(InputDoor {
        door: Box::new(door),
        writer: InputWriter::Packets(writer),
    })
}

/// The option that a door for packets was refused for.
fn delay_field(refused: &PacketInError) -> &'static str {
    match refused {
        PacketInError::Jitter(JitterConfigError::LargestDelay(_)) => "jitter_max_delay_ms",
        _ => "jitter_min_delay_ms",
    }
}

/// A door for the session, the ring of what it was handed, and what takes its packets.
pub(crate) struct OutputDoor {
    pub door: Box<dyn OutDoor>,
    pub ring: Arc<SoundRing>,
    pub packets: Option<PacketReader>,
}

/// How hard an encoder tries, and how much it may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opus {
    pub complexity: u8,
    pub bitrate_bps: u32,
}

/// The door named `kind` for sound at `sample_rate_hz`. Doors of even and of odd `phase` encode in turn.
pub(crate) fn output_door(
    kind: &str,
    sample_rate_hz: u32,
    opus: Opus,
    phase: usize,
) -> PyResult<OutputDoor> {
    match kind {
        "pcm" => {
            let (door, ring) = pcm_out(sample_rate_hz);
            Ok(OutputDoor {
                door: Box::new(door),
                ring,
                packets: None,
            })
        }
        "opus" => {
            let encoder = OpusEncoder::new(OpusEncoderConfig {
                sample_rate_hz,
                complexity: opus.complexity,
                bitrate_bps: opus.bitrate_bps,
            })
            .map_err(|codec| {
                let field = match codec {
                    CodecError::InvalidConfig { field, .. } if field != "sample_rate_hz" => field,
                    _ => "output_hz",
                };
                invalid_config(field, format!("for Opus, {codec}"))
            })?;
            let (packets, door, ring) = packet_out(Box::new(encoder), OPUS_CLOCK_HZ, phase);
            Ok(OutputDoor {
                door: Box::new(door),
                ring,
                packets: Some(packets),
            })
        }
        other => {
            let message = format!("output is '{other}', allowed is 'pcm' or 'opus'");
            Err(invalid_config("output", message))
        }
    }
}
