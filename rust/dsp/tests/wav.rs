//! WAV files of every kind, and what is none.

use beluga_dsp::wav::{Wav, WavError, parse, write_i16};
use proptest::prelude::*;

const PCM_GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((content.len() as u32).to_le_bytes());
    bytes.extend(content);
    if content.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((body.len() as u32 + 4).to_le_bytes());
    bytes.extend(b"WAVE");
    bytes.extend(body);
    bytes
}

fn fmt(format: u16, channels: u16, bits_per_sample: u16) -> Vec<u8> {
    let frame_len = channels * bits_per_sample.div_ceil(8);
    let mut content = Vec::new();
    content.extend(format.to_le_bytes());
    content.extend(channels.to_le_bytes());
    content.extend(16_000_u32.to_le_bytes());
    content.extend((16_000 * u32::from(frame_len)).to_le_bytes());
    content.extend(frame_len.to_le_bytes());
    content.extend(bits_per_sample.to_le_bytes());
    content
}

fn extensible(format: u16, bits_per_sample: u16, valid_bits: u16) -> Vec<u8> {
    let mut content = fmt(0xfffe, 1, bits_per_sample);
    content.extend(22_u16.to_le_bytes());
    content.extend(valid_bits.to_le_bytes());
    content.extend(0_u32.to_le_bytes());
    content.extend(format.to_le_bytes());
    content.extend(PCM_GUID_TAIL);
    content
}

fn samples_of(fmt: &[u8], data: &[u8]) -> Vec<f32> {
    let wav = parse(&riff(&[chunk(b"fmt ", fmt), chunk(b"data", data)])).expect("a WAV file");
    wav.samples
}

#[test]
fn what_is_written_is_read_back() {
    let samples = [0, 1, -1, 1_000, i16::MIN, i16::MAX];
    for channels in [1, 2, 3] {
        let wav = parse(&write_i16(22_050, channels, &samples)).expect("a WAV file");
        let expected = Wav {
            sample_rate_hz: 22_050,
            channels,
            samples: samples
                .iter()
                .map(|&sample| f32::from(sample) / 32_768.0)
                .collect(),
        };
        assert_eq!(wav, expected);
    }
    assert_eq!(
        parse(&write_i16(8_000, 1, &[]))
            .expect("a WAV file")
            .samples,
        []
    );
}

#[test]
fn a_written_file_has_the_canonical_44_byte_header() {
    let bytes = write_i16(16_000, 2, &[1, -2]);
    let mut expected =
        b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\x3e\0\0\0\xfa\0\0\x04\0\x10\0".to_vec();
    expected.extend(b"data\x04\0\0\0\x01\0\xfe\xff");
    assert_eq!(bytes, expected);
}

#[test]
fn integers_of_every_width_are_read() {
    assert_eq!(samples_of(&fmt(1, 1, 8), &[0, 128, 192]), [-1.0, 0.0, 0.5]);
    assert_eq!(samples_of(&fmt(1, 1, 16), &[0, 0x80, 0, 0x40]), [-1.0, 0.5]);
    assert_eq!(
        samples_of(&fmt(1, 1, 24), &[0, 0, 0x80, 0, 0, 0x40, 1, 0, 0]),
        [-1.0, 0.5, 1.0 / 8_388_608.0]
    );
    assert_eq!(
        samples_of(&fmt(1, 1, 32), &[0, 0, 0, 0x80, 0, 0, 0, 0x40]),
        [-1.0, 0.5]
    );
    // 20 bits at the upper end of 3 bytes.
    assert_eq!(samples_of(&fmt(1, 1, 20), &[0, 0, 0x40]), [0.5]);
}

#[test]
fn floats_are_read_and_broken_ones_are_silence() {
    let floats = [0.5_f32, -1.5, f32::NAN, f32::INFINITY];
    let data: Vec<u8> = floats
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    assert_eq!(samples_of(&fmt(3, 1, 32), &data), [0.5, -1.5, 0.0, 0.0]);
    let doubles = [0.5_f64, -1.5, f64::NAN, 1e300];
    let data: Vec<u8> = doubles
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    assert_eq!(samples_of(&fmt(3, 1, 64), &data), [0.5, -1.5, 0.0, 0.0]);
}

#[test]
fn telephone_laws_are_expanded() {
    assert_eq!(
        samples_of(&fmt(7, 1, 8), &[0xff, 0x80, 0x00]),
        [0.0, 32_124.0 / 32_768.0, -32_124.0 / 32_768.0]
    );
    assert_eq!(
        samples_of(&fmt(6, 1, 8), &[0xd5, 0xaa, 0x2a]),
        [8.0 / 32_768.0, 32_256.0 / 32_768.0, -32_256.0 / 32_768.0]
    );
}

#[test]
fn extensible_headers_name_their_format_inside() {
    assert_eq!(samples_of(&extensible(1, 16, 16), &[0, 0x40]), [0.5]);
    assert_eq!(samples_of(&extensible(1, 32, 24), &[0, 0, 0, 0x40]), [0.5]);
    assert_eq!(
        samples_of(&extensible(3, 32, 32), &0.5_f32.to_le_bytes()),
        [0.5]
    );
    assert_eq!(samples_of(&extensible(7, 8, 8), &[0xff]), [0.0]);
    let mut foreign = extensible(1, 16, 16);
    foreign[30] = 99;
    assert_eq!(
        parse(&riff(&[chunk(b"fmt ", &foreign), chunk(b"data", &[0, 0])])),
        Err(WavError::UnsupportedFormat {
            format: 0xfffe,
            bits_per_sample: 16
        })
    );
}

#[test]
fn other_chunks_are_skipped_whatever_their_size() {
    let bytes = riff(&[
        chunk(b"LIST", b"odd"),
        chunk(b"fmt ", &fmt(1, 1, 16)),
        chunk(b"fact", &[]),
        chunk(b"junk", &[7; 33]),
        chunk(b"data", &[0, 0x40]),
        chunk(b"data", &[0, 0]),
    ]);
    assert_eq!(parse(&bytes).expect("a WAV file").samples, [0.5]);
}

#[test]
fn sound_is_read_as_far_as_it_goes() {
    let whole = write_i16(16_000, 2, &[1, 2, 3, 4, 5, 6]);
    for cut in 44..whole.len() {
        let wav = parse(&whole[..cut]).expect("a WAV file cut short");
        assert_eq!(wav.samples.len(), (cut - 44) / 4 * 2, "{cut} bytes");
    }
    let mut endless = whole.clone();
    endless[40..44].fill(0xff);
    assert_eq!(parse(&endless), parse(&whole));
}

#[test]
fn a_recorder_that_was_killed_left_sizes_of_0() {
    let mut file = write_i16(16_000, 1, &[1, 2, 3]);
    let whole = parse(&file);
    file[40..44].fill(0);
    for riff_len in [0_u32, 36] {
        file[4..8].copy_from_slice(&riff_len.to_le_bytes());
        assert_eq!(parse(&file), whole);
    }
    file[4..8].copy_from_slice(&42_u32.to_le_bytes());
    let empty = parse(&file).expect("a WAV file whose sound is empty, with something after it");
    assert_eq!(empty.samples, []);
}

#[test]
fn long_files_have_another_name_and_no_sizes() {
    let whole = write_i16(16_000, 1, &[1, 2, 3]);
    for name in [b"RF64", b"BW64"] {
        let mut file = whole.clone();
        file[..4].copy_from_slice(name);
        file[4..8].fill(0xff);
        file[40..44].fill(0xff);
        assert_eq!(parse(&file), parse(&whole));
    }
}

#[test]
fn what_is_no_wav_file_is_named() {
    let named = |bytes: &[u8]| parse(bytes).expect_err("no WAV file").to_string();
    for (bytes, found) in [
        (&b""[..], "empty"),
        (b"ID3\x04\0\0\0\0\0\0\0\0\0", "MP3"),
        (b"\xff\xfb\x90\x64\0\0", "MP3"),
        (b"\xff\xf1\x50\x80\0\0", "AAC"),
        (b"OggS\0\x02\0\0", "Ogg"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"FORM\0\0\0\0AIFFCOMM", "AIFF"),
        (b"\0\0\0\x20ftypM4A ", "MP4 or M4A"),
        (b"Dear caller,\n", "text"),
        (b"RIFF\x24", "RIFF of another kind, or cut off"),
        (&[0; 64], "of an unknown kind"),
    ] {
        assert_eq!(named(bytes), format!("no WAV file: it is {found}"));
    }
}

#[test]
fn what_is_wrong_is_named() {
    let data = chunk(b"data", &[0, 0]);
    let parsed = |chunks: &[Vec<u8>]| parse(&riff(chunks));
    assert_eq!(parsed(&[]), Err(WavError::MissingChunk { chunk: "fmt " }));
    assert_eq!(
        parsed(std::slice::from_ref(&data)),
        Err(WavError::MissingChunk { chunk: "fmt " })
    );
    assert_eq!(
        parsed(&[chunk(b"fmt ", &[1, 0, 1])]),
        Err(WavError::MissingChunk { chunk: "fmt " })
    );
    assert_eq!(
        parsed(&[chunk(b"fmt ", &fmt(1, 1, 16))]),
        Err(WavError::MissingChunk { chunk: "data" })
    );
    assert_eq!(
        parsed(&[chunk(b"fmt ", &fmt(1, 0, 16)), data.clone()]),
        Err(WavError::InvalidField {
            field: "channels",
            value: 0
        })
    );
    let mut misaligned = fmt(1, 2, 16);
    misaligned[12] = 3;
    assert_eq!(
        parsed(&[chunk(b"fmt ", &misaligned), data.clone()]),
        Err(WavError::InvalidField {
            field: "block alignment",
            value: 3
        })
    );
    let mut timeless = fmt(1, 1, 16);
    timeless[4..8].fill(0);
    assert_eq!(
        parsed(&[chunk(b"fmt ", &timeless), data.clone()]),
        Err(WavError::InvalidField {
            field: "sample rate",
            value: 0
        })
    );
    let error = parsed(&[chunk(b"fmt ", &fmt(2, 1, 4)), data]).expect_err("ADPCM is not read");
    assert_eq!(
        error.to_string(),
        "WAV format 2 (Microsoft ADPCM) with 4 bits per sample is not read: allowed: PCM of 8 to 32 bits, \
         float of 32 or 64, mu-law, A-law"
    );
}

#[test]
#[should_panic(expected = "whole frames")]
fn half_a_frame_is_not_written() {
    write_i16(16_000, 2, &[1, 2, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"RIFF\0\0\0\0WAVE", &bytes[..]].concat());
        let _ = parse(&[b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0", &bytes[..]].concat());
    }

    #[test]
    fn a_damaged_file_is_read_within_bounds_or_refused(
        format in prop::sample::select(&[1_u16, 3, 6, 7, 0xfffe][..]),
        bits in prop::sample::select(&[8_u16, 16, 24, 32, 64][..]),
        data in prop::collection::vec(any::<u8>(), 0..64),
        damage in prop::collection::vec((0_usize..120, any::<u8>()), 0..6),
    ) {
        let mut bytes = riff(&[chunk(b"fmt ", &fmt(format, 2, bits)), chunk(b"data", &data)]);
        for (place, value) in damage {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        if let Ok(wav) = parse(&bytes) {
            prop_assert!(wav.channels > 0 && wav.sample_rate_hz > 0);
            prop_assert!(wav.samples.len() <= bytes.len());
            prop_assert_eq!(wav.samples.len() % usize::from(wav.channels), 0);
            prop_assert!(wav.samples.iter().all(|sample| sample.is_finite()));
        }
    }
}
