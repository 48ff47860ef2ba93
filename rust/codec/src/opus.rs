//! Opus (RFC 6716): the codec of WebRTC.

use opusic_sys as sys;

use crate::decoder::{check_concealed, check_room};
use crate::libopus::{DecoderState, EncoderState, packet_samples};
use crate::{CodecError, Decoder, Effort, Encoder};

/// Frames of 20 ms: half the packets of 10 ms at nearly the same delay, and what every peer expects.
const FRAMES_PER_S: u32 = 50;
/// What a first byte (RFC 6716 section 3.1) keeps in a packet of silence: bandwidth, mode and channels. One frame, since the
/// two lowest bits are cleared; of 10 ms, since in every mode a configuration for 20 ms is odd and the one before it is the same
/// with 10 ms.
const SILENCE_HEADER_MASK: u8 = 0b1111_0100;
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

/// Encodes mono speech: frames of 20 or 10 ms, variable bitrate, no in-band error correction.
///
/// Nor does the encoder transmit discontinuously by itself: that begins 230 ms after the last sound and fades in what follows.
/// [`Encoder::silence_packet`] leaves the decision to the sender.
#[derive(Debug)]
pub struct OpusEncoder {
    state: EncoderState,
    config: OpusEncoderConfig,
    /// A frame of no bytes: not transmitted (RFC 6716 section 3.2.1), with the header of the last packet.
    silence: Option<[u8; 1]>,
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
        Ok(Self {
            state,
            config,
            silence: None,
        })
    }

    /// Bytes of so many samples at the configured bitrate: with less room libopus would lower the quality and not say so.
    fn least_room(&self, samples: usize) -> usize {
        let bytes_per_s = u64::from(self.config.bitrate_bps / 8);
        (bytes_per_s * samples as u64).div_ceil(self.config.sample_rate_hz.into()) as usize
    }
}

impl Encoder for OpusEncoder {
    fn sample_rate_hz(&self) -> u32 {
        self.config.sample_rate_hz
    }

    fn frame_samples(&self) -> usize {
        (self.config.sample_rate_hz / FRAMES_PER_S) as usize
    }

    /// Encodes one frame, or half of one. `out` must hold a packet of the configured bitrate (60 bytes for 20 ms at 24
    /// kbit/s); variable bitrate uses more where there is room, up to 1,276 bytes.
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let frame_samples = self.frame_samples();
        if ![frame_samples, frame_samples / 2].contains(&pcm.len()) {
            return Err(CodecError::WrongLength {
                given: pcm.len(),
                allowed: "20 or 10 ms",
            });
        }
        check_room(self.least_room(pcm.len()), out.len())?;
        let length = self.state.encode(pcm, out)?;
        self.silence = out[..length]
            .first()
            .map(|header| [header & SILENCE_HEADER_MASK]);
        Ok(length)
    }

    fn silence_packet(&self) -> Option<&[u8]> {
        self.silence.as_ref().map(<[u8; 1]>::as_slice)
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

#[cfg(test)]
mod tests {
    use super::{OpusDecoder, SILENCE_HEADER_MASK};
    use crate::Decoder;

    #[test]
    fn a_header_of_20_or_10_ms_becomes_one_of_10_ms_and_changes_in_nothing_else() {
        let decoder = OpusDecoder::new(48_000).expect("a valid rate");
        let samples = |header: u8| decoder.packet_samples(&[header]).expect("one frame");
        let (mut of_20_ms, mut of_10_ms) = (0, 0);
        for header in (0..=u8::MAX).filter(|header| header & 0b11 == 0) {
            let silence = header & SILENCE_HEADER_MASK;
            match samples(header) {
                960 => {
                    assert_eq!(silence, header - 0b1000);
                    assert_eq!(samples(silence), 480, "{header:#010b}");
                    of_20_ms += 1;
                }
                480 => {
                    assert_eq!(silence, header);
                    of_10_ms += 1;
                }
                _ => {}
            }
        }
        // Nine bandwidths and modes, mono and stereo.
        assert_eq!((of_20_ms, of_10_ms), (18, 18));
    }
}
