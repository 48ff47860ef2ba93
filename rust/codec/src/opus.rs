//! Opus (RFC 6716): the codec of WebRTC.

use opusic_sys as sys;

use crate::decoder::{check_concealed, check_room};
use crate::libopus::{DecoderState, EncoderState, packet_samples};
use crate::{CodecError, Decoder, Effort, Encoder};

/// Frames of 20 ms: half the packets of 10 ms at nearly the same delay, and what every peer expects.
const FRAMES_PER_S: u32 = 50;
/// Complexity at [`Effort::Least`]: two thirds of the cost of 5. At 0 the sound suffers and little more is saved.
const LEAST_COMPLEXITY: u8 = 1;

/// Decodes Opus of any kind straight to mono at one rate.
///
/// Packets may change bandwidth, frame length and channels as they like; stereo is downmixed, and what a packet holds above
/// the chosen rate is not even computed. Loss is concealed by libopus.
#[derive(Debug)]
pub struct OpusDecoder {
    state: DecoderState,
    sample_rate_hz: u32,
}

impl OpusDecoder {
    /// A decoder that gives sound at 8, 12, 16, 24 or 48 kHz.
    ///
    /// # Errors
    /// [`CodecError::InvalidConfig`] for another rate, [`CodecError::Library`] when memory is short.
    pub fn new(sample_rate_hz: u32) -> Result<Self, CodecError> {
        check_rate(sample_rate_hz)?;
        Ok(Self {
            state: DecoderState::new(sample_rate_hz)?,
            sample_rate_hz,
        })
    }
}

impl Decoder for OpusDecoder {
    fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    fn packet_samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        // libopus takes "no bytes" for a lost packet: it must never see them as a packet.
        if payload.is_empty() {
            return Err(CodecError::MalformedPacket);
        }
        packet_samples(payload, self.sample_rate_hz)
    }

    /// A packet of one or two bytes: what libopus's encoder gives for a frame that need not be sent (opus_encode in opus.h).
    fn is_comfort(&self, payload: &[u8]) -> bool {
        payload.len() <= 2
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let length = self.packet_samples(payload)?;
        check_room(length, out.len())?;
        self.state.decode(Some(payload), &mut out[..length])
    }

    fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        check_concealed(out.len(), self.sample_rate_hz)?;
        if out.is_empty() {
            return Ok(0);
        }
        self.state.decode(None, out)
    }

    fn reset(&mut self) {
        self.state.reset();
    }
}

/// How an [`OpusEncoder`] encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusEncoderConfig {
    /// Rate of the sound that goes in: 8, 12, 16, 24 or 48 kHz. It also bounds the bandwidth that is sent.
    pub sample_rate_hz: u32,
    /// Effort, 0 to 10: from 1 to 9 the cost more than doubles.
    pub complexity: u8,
    /// Mean rate, 6,000 to 510,000 bits per second, packet headers not counted.
    pub bitrate_bps: u32,
}

/// Encodes mono speech: frames of 20 ms, variable bitrate, neither discontinuous transmission nor in-band error
/// correction.
#[derive(Debug)]
pub struct OpusEncoder {
    state: EncoderState,
    config: OpusEncoderConfig,
}

impl OpusEncoder {
    /// An encoder in its initial state.
    ///
    /// # Errors
    /// [`CodecError::InvalidConfig`] names the field that is out of range; [`CodecError::Library`] when memory is short.
    pub fn new(config: OpusEncoderConfig) -> Result<Self, CodecError> {
        check_rate(config.sample_rate_hz)?;
        if config.complexity > 10 {
            return Err(CodecError::InvalidConfig {
                field: "complexity",
                value: config.complexity.into(),
                allowed: "0 to 10",
            });
        }
        if !(6_000..=510_000).contains(&config.bitrate_bps) {
            return Err(CodecError::InvalidConfig {
                field: "bitrate_bps",
                value: config.bitrate_bps,
                allowed: "6000 to 510000",
            });
        }
        let mut state = EncoderState::new(config.sample_rate_hz)?;
        state.set(sys::OPUS_SET_COMPLEXITY_REQUEST, config.complexity.into())?;
        state.set(sys::OPUS_SET_BITRATE_REQUEST, config.bitrate_bps as i32)?;
        state.set(sys::OPUS_SET_VBR_REQUEST, 1)?;
        state.set(sys::OPUS_SET_DTX_REQUEST, 0)?;
        Ok(Self { state, config })
    }

    /// Bytes of a frame at the configured bitrate: with less room libopus would lower the quality and not say so.
    fn least_room(&self) -> usize {
        (self.config.bitrate_bps / 8).div_ceil(FRAMES_PER_S) as usize
    }
}

impl Encoder for OpusEncoder {
    fn sample_rate_hz(&self) -> u32 {
        self.config.sample_rate_hz
    }

    fn frame_samples(&self) -> usize {
        (self.config.sample_rate_hz / FRAMES_PER_S) as usize
    }

    /// Encodes one frame. `out` must hold a packet of the configured bitrate (60 bytes at 24 kbit/s); variable bitrate
    /// uses more where there is room, up to 1,276 bytes.
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        if pcm.len() != self.frame_samples() {
            return Err(CodecError::WrongLength {
                given: pcm.len(),
                allowed: "20 ms",
            });
        }
        check_room(self.least_room(), out.len())?;
        self.state.encode(pcm, out)
    }

    fn set_effort(&mut self, effort: Effort) {
        let complexity = match effort {
            Effort::Configured => self.config.complexity,
            Effort::Least => self.config.complexity.min(LEAST_COMPLEXITY),
        };
        let set = self
            .state
            .set(sys::OPUS_SET_COMPLEXITY_REQUEST, complexity.into());
        debug_assert_eq!(set, Ok(()), "0 to 10 is allowed");
    }
}

fn check_rate(sample_rate_hz: u32) -> Result<(), CodecError> {
    match sample_rate_hz {
        8_000 | 12_000 | 16_000 | 24_000 | 48_000 => Ok(()),
        value => Err(CodecError::InvalidConfig {
            field: "sample_rate_hz",
            value,
            allowed: "8000, 12000, 16000, 24000, 48000",
        }),
    }
}
