//! WAV files in memory: a reader that trusts no byte, and a writer.
//!
//! The format is Microsoft's and IBM's "Multimedia Programming Interface and Data Specifications 1.0" (1991) with
//! WAVEFORMATEXTENSIBLE of 2001.

use crate::companding::{expand_a_law, expand_mu_law};
use crate::file_kind::kind_of;
use crate::finite::finite_or_silence;

const FORMAT_PCM: u16 = 1;
const FORMAT_FLOAT: u16 = 3;
const FORMAT_A_LAW: u16 = 6;
const FORMAT_MU_LAW: u16 = 7;
const FORMAT_EXTENSIBLE: u16 = 0xfffe;

/// The end of every sub-format GUID that wraps one of the tags above, which is its first two bytes.
const SUBFORMAT_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// Sound read from a WAV file.
#[derive(Debug, Clone, PartialEq)]
pub struct Wav {
    /// Samples per second and channel as the file says: more than 0, otherwise unchecked.
    pub sample_rate_hz: u32,
    /// Number of channels, at least 1.
    pub channels: u16,
    /// Samples with full scale at 1.0, channel by channel within each frame. Always whole frames and always finite; float
    /// files may go beyond 1.0.
    pub samples: Vec<f32>,
}

/// Why bytes are not a WAV file that [`parse`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// The bytes do not begin as a WAV file does.
    #[error("no WAV file: it is {found}")]
    NotWav {
        /// What they seem to be instead, as the end of a sentence.
        found: &'static str,
    },
    /// A chunk that must be there, before the end or before the sound, is missing or too short.
    #[error(
        "WAV file without a usable '{chunk}' chunk: it is damaged, or was cut off before its sound"
    )]
    MissingChunk {
        /// `fmt ` or `data`.
        chunk: &'static str,
    },
    /// A field of the format chunk contradicts the others or is 0.
    #[error("WAV file with {field} {value}")]
    InvalidField {
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: u32,
    },
    /// A format that is not read: allowed are integers of 8, 16, 24, 32 bits, floats of 32, 64, mu-law and A-law of 8.
    #[error(
        "WAV format {format} ({}) with {bits_per_sample} bits per sample is not read: allowed: PCM of 8 to 32 bits, \
         float of 32 or 64, mu-law, A-law",
        name_of(*.format)
    )]
    UnsupportedFormat {
        /// The format tag; that of the sub-format in an extensible header.
        format: u16,
        /// Bits per sample as the header has them.
        bits_per_sample: u16,
    },
}

/// How one sample is stored.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
    MuLaw,
    ALaw,
}

#[derive(Debug, Clone, Copy)]
struct Format {
    encoding: Encoding,
    channels: u16,
    sample_rate_hz: u32,
}

/// What WAV files are called that hold a format tag (RFC 2361).
fn name_of(format: u16) -> &'static str {
    match format {
        FORMAT_PCM => "PCM",
        0x02 => "Microsoft ADPCM",
        FORMAT_FLOAT => "float",
        FORMAT_A_LAW => "A-law",
        FORMAT_MU_LAW => "mu-law",
        0x11 => "IMA ADPCM",
        0x31 => "GSM 6.10",
        0x40 | 0x45 | 0x64 => "G.726",
        0x50 => "MPEG",
        0x55 => "MP3",
        0xff | 0x1610 => "AAC",
        0x160..=0x163 => "Windows Media",
        FORMAT_EXTENSIBLE => "extensible, of a foreign kind",
        _ => "an unknown one",
    }
}

/// Reads a WAV file: the first `fmt ` and the first `data` chunk after it, all others skipped.
///
/// Sound that is cut short is read as far as it goes, to the last whole frame; sizes that point past the end (streams
/// and RF64 write 0xffffffff) mean "to the end", and so do those of a recorder that was killed before it wrote them. NaN and infinite samples become silence. Whatever the bytes are, this neither panics
/// nor takes more memory than 4 bytes for each of them.
///
/// # Errors
/// [`WavError`] names what is wrong.
pub fn parse(bytes: &[u8]) -> Result<Wav, WavError> {
    let (riff_len, mut rest) = match bytes.split_first_chunk::<12>() {
        Some((header, rest)) if is_wav(header) => {
            let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
            (len as usize, rest)
        }
        _ => {
            return Err(WavError::NotWav {
                found: kind_of(bytes),
            });
        }
    };
    let mut format = None;
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let content = &body[..size.min(body.len())];
        let begin = bytes.len() - body.len();
        match (&header[..4], format) {
            (b"fmt ", None) => format = Some(parse_format(content)?),
            // Neither header was completed: what follows is the sound.
            (b"data", Some(format)) if size == 0 && riff_len.saturating_add(8) <= begin => {
                return Ok(read_sound(format, body));
            }
            (b"data", Some(format)) => return Ok(read_sound(format, content)),
            _ => {}
        }
        // A chunk of odd size is followed by a byte that its size does not count.
        let padded = size.saturating_add(size % 2);
        rest = body.get(padded..).unwrap_or_default();
    }
    let chunk = if format.is_some() { "data" } else { "fmt " };
    Err(WavError::MissingChunk { chunk })
}

/// Writes 16-bit samples, interleaved by channel, as a WAV file.
///
/// Past 4 GiB the header's sizes stay at 0xffffffff, which [`parse`] and most readers take for "to the end".
///
/// # Panics
/// If `channels` is 0 or `samples` is not a whole number of frames.
pub fn write_i16(sample_rate_hz: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    assert!(channels > 0, "a WAV file has at least one channel");
    assert_eq!(samples.len() % usize::from(channels), 0, "whole frames");
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let data_len = samples.len() * 2;
    let frame_len = channels.saturating_mul(2);
    let mut bytes = Vec::with_capacity(44 + data_len);
    bytes.extend(b"RIFF");
    bytes.extend(size(data_len.saturating_add(36)));
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(FORMAT_PCM.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(sample_rate_hz.to_le_bytes());
    bytes.extend(
        sample_rate_hz
            .saturating_mul(frame_len.into())
            .to_le_bytes(),
    );
    bytes.extend(frame_len.to_le_bytes());
    bytes.extend(16_u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(size(data_len));
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

fn is_wav(header: &[u8; 12]) -> bool {
    matches!(&header[..4], b"RIFF" | b"RF64" | b"BW64") && header.ends_with(b"WAVE")
}

fn parse_format(content: &[u8]) -> Result<Format, WavError> {
    let Some((fields, extension)) = content.split_first_chunk::<16>() else {
        return Err(WavError::MissingChunk { chunk: "fmt " });
    };
    let field = |at: usize| u16::from_le_bytes([fields[at], fields[at + 1]]);
    let channels = field(2);
    let sample_rate_hz = u32::from_le_bytes([fields[4], fields[5], fields[6], fields[7]]);
    let frame_len = field(12);
    let bits_per_sample = field(14);
    for (field, value) in [
        ("channels", channels.into()),
        ("sample rate", sample_rate_hz),
    ] {
        if value == 0 {
            return Err(WavError::InvalidField { field, value });
        }
    }
    let format = match field(0) {
        FORMAT_EXTENSIBLE => subformat(extension),
        format => format,
    };
    let encoding = match (format, bits_per_sample) {
        // Fewer bits than the bytes hold are stored at their upper end, the lower ones being 0.
        (FORMAT_PCM, 1..=8) => Encoding::Unsigned8,
        (FORMAT_PCM, 9..=16) => Encoding::Signed16,
        (FORMAT_PCM, 17..=24) => Encoding::Signed24,
        (FORMAT_PCM, 25..=32) => Encoding::Signed32,
        (FORMAT_FLOAT, 32) => Encoding::Float32,
        (FORMAT_FLOAT, 64) => Encoding::Float64,
        (FORMAT_A_LAW, 8) => Encoding::ALaw,
        (FORMAT_MU_LAW, 8) => Encoding::MuLaw,
        _ => {
            return Err(WavError::UnsupportedFormat {
                format,
                bits_per_sample,
            });
        }
    };
    if u64::from(frame_len) != u64::from(channels) * encoding.sample_len() as u64 {
        return Err(WavError::InvalidField {
            field: "block alignment",
            value: frame_len.into(),
        });
    }
    Ok(Format {
        encoding,
        channels,
        sample_rate_hz,
    })
}

/// The tag within an extensible header; that header's own where there is none.
fn subformat(extension: &[u8]) -> u16 {
    match extension.get(8..24) {
        Some([low, high, tail @ ..]) if tail == SUBFORMAT_TAIL => u16::from_le_bytes([*low, *high]),
        _ => FORMAT_EXTENSIBLE,
    }
}

fn read_sound(format: Format, content: &[u8]) -> Wav {
    let frame_len = format.encoding.sample_len() * usize::from(format.channels);
    let whole = &content[..content.len() - content.len() % frame_len];
    Wav {
        sample_rate_hz: format.sample_rate_hz,
        channels: format.channels,
        samples: format.encoding.decode(whole),
    }
}

impl Encoding {
    fn sample_len(self) -> usize {
        match self {
            Self::Unsigned8 | Self::MuLaw | Self::ALaw => 1,
            Self::Signed16 => 2,
            Self::Signed24 => 3,
            Self::Signed32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::Unsigned8 => each(bytes, |[b]| (f32::from(b) - 128.0) / 128.0),
            Self::MuLaw => each(bytes, |[b]| f32::from(expand_mu_law(b)) / 32_768.0),
            Self::ALaw => each(bytes, |[b]| f32::from(expand_a_law(b)) / 32_768.0),
            Self::Signed16 => each(bytes, |b| f32::from(i16::from_le_bytes(b)) / 32_768.0),
            Self::Signed24 => each(bytes, |[low, middle, high]| {
                i32::from_le_bytes([0, low, middle, high]) as f32 / 2_147_483_648.0
            }),
            Self::Signed32 => each(bytes, |b| i32::from_le_bytes(b) as f32 / 2_147_483_648.0),
            Self::Float32 => each(bytes, |b| finite_or_silence(f32::from_le_bytes(b))),
            Self::Float64 => each(bytes, |b| finite_or_silence(f64::from_le_bytes(b) as f32)),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], sample: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&stored| sample(stored))
        .collect()
}
