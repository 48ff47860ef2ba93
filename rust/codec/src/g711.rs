//! G.711, the codec of telephone lines: 8 kHz, one byte per sample.
//!
//! ITU-T Recommendation G.711 (11/1988). Its tables give, in steps of 14 bits (mu-law) or 13 bits (A-law), the decision
//! values between neighbouring codes and the level that each code stands for; 16-bit samples use them scaled. The tables
//! leave open which side a decision value itself belongs to: as in the ITU's own software (G.191, `ulaw_compress` and
//! `alaw_compress`) it is the upper one, for negative samples too. The US rule that sends 0x02 for the mu-law code
//! 0x00 is not applied.

use crate::decoder::{check_concealed, check_room, max_packet_samples};
use crate::last_frame::LastFrame;
use crate::{CodecError, Decoder, Encoder};

const SAMPLE_RATE_HZ: u32 = 8_000;

/// 20 ms.
const FRAME_SAMPLES: usize = 160;
const HALF_FRAME_SAMPLES: usize = FRAME_SAMPLES / 2;

/// Distance of the mu-law segments from powers of two, in 14-bit steps.
const MU_LAW_BIAS: i16 = 33;

/// The even bits, which A-law sends inverted.
const A_LAW_INVERTED: u8 = 0x55;

macro_rules! companding_law {
    ($(#[$doc:meta])* $name:ident, $expand:ident, $compress:ident) => {
        $(#[$doc])*
        ///
        /// Both [`Decoder`] and [`Encoder`], at 8 kHz; frames to encode are 20 or 10 ms, packets to decode 1 sample to 120 ms. A lost
        /// packet is concealed by repeating the last frame, faded to silence over 60 ms.
        #[derive(Debug, Clone, Default)]
        pub struct $name {
            last_frame: LastFrame,
        }

        impl $name {
            /// A codec in its initial state.
            pub fn new() -> Self {
                Self::default()
            }
        }

        impl Decoder for $name {
            fn sample_rate_hz(&self) -> u32 {
                SAMPLE_RATE_HZ
            }

            fn packet_samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
                if payload.is_empty() || payload.len() > max_packet_samples(SAMPLE_RATE_HZ) {
                    return Err(CodecError::MalformedPacket);
                }
                Ok(payload.len())
            }

            fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
                let length = self.packet_samples(payload)?;
                check_room(length, out.len())?;
                let out = &mut out[..length];
                for (sample, &code) in out.iter_mut().zip(payload) {
                    *sample = $expand(code);
                }
                self.last_frame.keep(out);
                Ok(length)
            }

            fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
                check_concealed(out.len(), SAMPLE_RATE_HZ)?;
                self.last_frame.repeat(out);
                Ok(out.len())
            }

            fn reset(&mut self) {
                self.last_frame = LastFrame::default();
            }
        }

        impl Encoder for $name {
            fn sample_rate_hz(&self) -> u32 {
                SAMPLE_RATE_HZ
            }

            fn frame_samples(&self) -> usize {
                FRAME_SAMPLES
            }

            fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
                if ![FRAME_SAMPLES, HALF_FRAME_SAMPLES].contains(&pcm.len()) {
                    return Err(CodecError::WrongLength {
                        given: pcm.len(),
                        allowed: "160 (20 ms) or 80 (10 ms)",
                    });
                }
                check_room(pcm.len(), out.len())?;
                for (code, &sample) in out.iter_mut().zip(pcm) {
                    *code = $compress(sample);
                }
                Ok(pcm.len())
            }
        }
    };
}

companding_law!(
    /// G.711 mu-law (RTP's PCMU): North America and Japan.
    MuLaw,
    expand_mu_law,
    compress_mu_law
);

companding_law!(
    /// G.711 A-law (RTP's PCMA): everywhere else.
    ALaw,
    expand_a_law,
    compress_a_law
);

/// Size of a sample regardless of its sign, where -1 is as far from 0 as 0 is: a decision value then belongs to the upper
/// code on both sides.
fn magnitude(sample: i16) -> i16 {
    if sample < 0 { !sample } else { sample }
}

fn expand_mu_law(code: u8) -> i16 {
    let code = !code;
    let exponent = (code >> 4) & 7;
    let mantissa = i16::from(code & 15);
    let level = (((mantissa << 1) | MU_LAW_BIAS) << exponent) - MU_LAW_BIAS;
    let scaled = level * 4;
    if code & 0x80 == 0 { scaled } else { -scaled }
}

fn compress_mu_law(sample: i16) -> u8 {
    let biased = ((magnitude(sample) >> 2) + MU_LAW_BIAS).min(0x1fff);
    // The highest of its 6 to 13 bits names the segment, the four below it the step.
    let exponent = 10 - biased.leading_zeros() as u8;
    let mantissa = (biased >> (exponent + 1)) as u8 & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | exponent << 4 | mantissa)
}

fn expand_a_law(code: u8) -> i16 {
    let code = code ^ A_LAW_INVERTED;
    let exponent = (code >> 4) & 7;
    let mantissa = i16::from(code & 15);
    let level = match exponent {
        0 => 2 * mantissa + 1,
        _ => (2 * mantissa + 33) << (exponent - 1),
    };
    let scaled = level * 8;
    if code & 0x80 == 0 { -scaled } else { scaled }
}

fn compress_a_law(sample: i16) -> u8 {
    let steps = magnitude(sample) >> 4;
    // The two lowest segments have steps of one size; from there on the highest bit names the segment.
    let exponent = 12_u8.saturating_sub(steps.leading_zeros() as u8);
    let mantissa = (steps >> exponent.saturating_sub(1)) as u8 & 15;
    let sign = if sample < 0 { 0 } else { 0x80 };
    (sign | exponent << 4 | mantissa) ^ A_LAW_INVERTED
}

#[cfg(test)]
mod tests {
    use super::{compress_a_law, compress_mu_law, expand_a_law, expand_mu_law};

    /// The positive half of a law's table, in steps of 16 bits: the interval of each code, from one decision value to the
    /// next.
    fn intervals(scale: i32, segments: &[(usize, i32)]) -> Vec<(i32, i32)> {
        let mut decision = 0;
        let mut intervals = Vec::new();
        for &(count, width) in segments {
            for _ in 0..count {
                intervals.push((decision * scale, (decision + width) * scale));
                decision += width;
            }
        }
        intervals
    }

    /// Table 2 of G.711, as `(count, width)` of its intervals.
    fn mu_law() -> Vec<(i32, i32)> {
        let segments = [
            (1, 1),
            (15, 2),
            (16, 4),
            (16, 8),
            (16, 16),
            (16, 32),
            (16, 64),
            (16, 128),
            (16, 256),
        ];
        intervals(4, &segments)
    }

    /// Table 1 of G.711, likewise.
    fn a_law() -> Vec<(i32, i32)> {
        intervals(
            8,
            &[
                (32, 2),
                (16, 4),
                (16, 8),
                (16, 16),
                (16, 32),
                (16, 64),
                (16, 128),
            ],
        )
    }

    /// The `number`-th positive level's code, as it is sent.
    fn mu_law_code(number: usize) -> u8 {
        0xff - number as u8
    }

    fn a_law_code(number: usize) -> u8 {
        (0x80 + number as u8) ^ 0x55
    }

    /// The level of a code is the middle of its interval; that of mu-law's first is 0.
    fn check_expand(table: &[(i32, i32)], code: fn(usize) -> u8, expand: fn(u8) -> i16) {
        assert_eq!(table.len(), 128);
        for (number, &(low, high)) in table.iter().enumerate() {
            let level = if high == 4 { 0 } else { (low + high) / 2 };
            assert_eq!(i32::from(expand(code(number))), level);
            assert_eq!(i32::from(expand(code(number) ^ 0x80)), -level);
        }
    }

    /// Samples past the last decision value get the last code.
    fn check_compress(table: &[(i32, i32)], code: fn(usize) -> u8, compress: fn(i16) -> u8) {
        for sample in i16::MIN..=i16::MAX {
            let wide = i32::from(sample);
            let (number, sign_bit) = if wide >= 0 {
                (
                    table
                        .iter()
                        .position(|&(low, high)| (low..high).contains(&wide)),
                    0,
                )
            } else {
                let holds = |&(low, high): &(i32, i32)| (-high..-low).contains(&wide);
                (table.iter().position(holds), 0x80)
            };
            assert_eq!(
                compress(sample),
                code(number.unwrap_or(127)) ^ sign_bit,
                "{sample}"
            );
        }
    }

    #[test]
    fn all_mu_law_codes_expand_to_table_2() {
        assert_eq!(mu_law().last(), Some(&(4 * 7_903, 4 * 8_159)));
        check_expand(&mu_law(), mu_law_code, expand_mu_law);
    }

    #[test]
    fn all_a_law_codes_expand_to_table_1() {
        assert_eq!(a_law().last(), Some(&(8 * 3_968, 8 * 4_096)));
        check_expand(&a_law(), a_law_code, expand_a_law);
    }

    #[test]
    fn all_samples_compress_by_the_mu_law_table() {
        check_compress(&mu_law(), mu_law_code, compress_mu_law);
    }

    #[test]
    fn all_samples_compress_by_the_a_law_table() {
        check_compress(&a_law(), a_law_code, compress_a_law);
    }

    #[test]
    fn every_code_survives_the_way_there_and_back() {
        for code in 0..=u8::MAX {
            assert_eq!(compress_a_law(expand_a_law(code)), code);
            // Mu-law has two zeros, and a 16-bit zero has no sign.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(compress_mu_law(expand_mu_law(code)), expected);
        }
    }
}
