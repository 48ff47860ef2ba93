//! Opus as a call uses it, and as an attacker does.

use std::f64::consts::TAU;

use beluga_codec::{
    CodecError, Decoder, Effort, Encoder, OpusDecoder, OpusEncoder, OpusEncoderConfig,
};
use proptest::prelude::*;

const RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// 20 ms of stereo: a header of CELT, full band, one frame, two channels (RFC 6716 section 3.1), and the bits of silence.
const STEREO_SILENCE: [u8; 3] = [0xfc, 0xff, 0xfe];

fn encoder(sample_rate_hz: u32) -> OpusEncoder {
    OpusEncoder::new(OpusEncoderConfig {
        sample_rate_hz,
        complexity: 5,
        bitrate_bps: 24_000,
    })
    .expect("a valid configuration")
}

fn decoder(sample_rate_hz: u32) -> OpusDecoder {
    OpusDecoder::new(sample_rate_hz).expect("a valid rate")
}

/// `frames` packets of [`voice`].
fn packets(sample_rate_hz: u32, frames: usize) -> Vec<Vec<u8>> {
    let mut encoder = encoder(sample_rate_hz);
    let frame_samples = encoder.frame_samples();
    (0..frames)
        .map(|frame| {
            let pcm: Vec<i16> = (0..frame_samples)
                .map(|k| voice((frame * frame_samples + k) as f64 / f64::from(sample_rate_hz)))
                .collect();
            let mut packet = vec![0; 400];
            let length = encoder.encode(&pcm, &mut packet).expect("a frame");
            packet.truncate(length);
            packet
        })
        .collect()
}

/// A voice-like sound: harmonics of 150 Hz up to 3 kHz, swelling four times a second (without that it passes for noise).
fn voice(time_s: f64) -> i16 {
    let sum: f64 = (1..=20)
        .map(|harmonic| {
            let harmonic = f64::from(harmonic);
            (TAU * 150.0 * harmonic * time_s + harmonic * harmonic).sin() / harmonic
        })
        .sum();
    let swell = 0.5 - 0.5 * (TAU * 4.0 * time_s).cos();
    (8_000.0 * swell * sum) as i16
}

fn rms(sound: &[i16]) -> f64 {
    let energy: f64 = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (energy / sound.len() as f64).sqrt()
}

/// Share of a sound's energy at one frequency.
fn share_at(sound: &[i16], frequency_hz: f64, rate_hz: u32) -> f64 {
    let step = TAU * frequency_hz / f64::from(rate_hz);
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (k, &sample) in sound.iter().enumerate() {
        sine += f64::from(sample) * (step * k as f64).sin();
        cosine += f64::from(sample) * (step * k as f64).cos();
    }
    let n = sound.len() as f64;
    2.0 * (sine * sine + cosine * cosine) / (n * n) / rms(sound).powi(2)
}

#[test]
fn sound_comes_out_at_every_rate_as_loud_as_it_went_in() {
    for from_hz in RATES_HZ {
        let sent = packets(from_hz, 50);
        for to_hz in RATES_HZ {
            let mut decoder = decoder(to_hz);
            let mut sound = Vec::new();
            for packet in &sent {
                let mut out = vec![0; (to_hz / 50) as usize];
                assert_eq!(decoder.packet_samples(packet), Ok(out.len()));
                assert_eq!(decoder.decode(packet, &mut out), Ok(out.len()));
                sound.extend(out);
            }
            let settled = &sound[sound.len() / 2..];
            let original: Vec<i16> = (0..8_000).map(|k| voice(f64::from(k) / 8_000.0)).collect();
            let ratio = rms(settled) / rms(&original);
            assert!(
                (0.8..1.25).contains(&ratio),
                "{from_hz} to {to_hz}: {ratio}"
            );
            let share = share_at(settled, 150.0, to_hz);
            assert!((0.4..0.8).contains(&share), "{from_hz} to {to_hz}: {share}");
        }
    }
}

#[test]
fn packets_keep_to_the_bitrate() {
    for bitrate_bps in [12_000, 24_000, 64_000] {
        let config = OpusEncoderConfig {
            sample_rate_hz: 24_000,
            complexity: 5,
            bitrate_bps,
        };
        let mut encoder = OpusEncoder::new(config).expect("a valid configuration");
        let mut packet = [0; 1_276];
        let mut bytes = 0;
        for frame in 0..100 {
            let pcm: Vec<i16> = (0..480)
                .map(|k| voice(f64::from(frame * 480 + k) / 24_000.0))
                .collect();
            bytes += encoder.encode(&pcm, &mut packet).expect("a frame");
        }
        let sent_bps = bytes as f64 * 8.0 / 2.0;
        let ratio = sent_bps / f64::from(bitrate_bps);
        assert!((0.6..1.2).contains(&ratio), "{bitrate_bps}: {sent_bps}");
    }
}

#[test]
fn silence_is_sent_like_everything_else() {
    let mut encoder = encoder(16_000);
    let mut packet = [0; 400];
    for _ in 0..100 {
        let length = encoder.encode(&[0; 320], &mut packet).expect("a frame");
        assert!(length > 2, "a frame of discontinuous transmission");
    }
}

#[test]
fn stereo_gives_as_many_samples_as_mono() {
    let mut out = [99; 960];
    assert_eq!(decoder(48_000).decode(&STEREO_SILENCE, &mut out), Ok(960));
    assert!(out.iter().all(|sample| sample.abs() <= 1));
}

#[test]
fn a_lost_packet_sounds_like_the_one_before_and_long_loss_dies_away() {
    for rate_hz in RATES_HZ {
        let mut decoder = decoder(rate_hz);
        let mut frame = vec![0; (rate_hz / 50) as usize];
        // 57 frames: up to a swell's height.
        for packet in packets(rate_hz, 57) {
            decoder.decode(&packet, &mut frame).expect("a packet");
        }
        let mut concealed = vec![0; (rate_hz / 100) as usize];
        assert_eq!(decoder.conceal(&mut concealed), Ok(concealed.len()));
        let ratio = rms(&concealed) / rms(&frame);
        assert!((0.5..1.5).contains(&ratio), "{rate_hz}: {ratio}");
        for _ in 0..100 {
            decoder.conceal(&mut concealed).expect("10 ms");
        }
        assert!(rms(&concealed) < rms(&frame) / 100.0, "{rate_hz}");
    }
}

#[test]
fn a_reset_decoder_is_a_new_one() {
    let sent = packets(16_000, 10);
    let mut used = decoder(16_000);
    let decode = |decoder: &mut OpusDecoder| {
        let mut sound = vec![0; 3_200];
        for (packet, out) in sent.iter().zip(sound.chunks_mut(320)) {
            decoder.decode(packet, out).expect("a packet");
        }
        sound
    };
    let first = decode(&mut used);
    used.reset();
    assert_eq!(decode(&mut used), first);
}

#[test]
fn a_codec_may_move_between_threads() {
    let sent = packets(16_000, 1);
    let mut decoder = decoder(16_000);
    let moved = std::thread::spawn(move || decoder.decode(&sent[0], &mut [0; 320]));
    assert_eq!(moved.join().expect("no panic"), Ok(320));
}

#[test]
fn settings_out_of_range_are_named() {
    let valid = OpusEncoderConfig {
        sample_rate_hz: 16_000,
        complexity: 5,
        bitrate_bps: 24_000,
    };
    for (config, message) in [
        (
            OpusEncoderConfig {
                sample_rate_hz: 44_100,
                ..valid
            },
            "sample_rate_hz is 44100: allowed are 8000, 12000, 16000, 24000, 48000",
        ),
        (
            OpusEncoderConfig {
                complexity: 11,
                ..valid
            },
            "complexity is 11: allowed are 0 to 10",
        ),
        (
            OpusEncoderConfig {
                bitrate_bps: 5_999,
                ..valid
            },
            "bitrate_bps is 5999: allowed are 6000 to 510000",
        ),
        (
            OpusEncoderConfig {
                bitrate_bps: u32::MAX,
                ..valid
            },
            "bitrate_bps is 4294967295: allowed are 6000 to 510000",
        ),
    ] {
        assert_eq!(
            OpusEncoder::new(config)
                .expect_err("out of range")
                .to_string(),
            message
        );
    }
    for sample_rate_hz in [0, 44_100, u32::MAX] {
        let error = OpusDecoder::new(sample_rate_hz).expect_err("out of range");
        assert!(matches!(
            error,
            CodecError::InvalidConfig {
                field: "sample_rate_hz",
                ..
            }
        ));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let packet = &packets(16_000, 1)[0];
    let mut decoder = decoder(16_000);
    assert_eq!(
        decoder.decode(&[], &mut [0; 320]),
        Err(CodecError::MalformedPacket)
    );
    let too_small = CodecError::BufferTooSmall {
        needed: 320,
        given: 319,
    };
    assert_eq!(decoder.decode(packet, &mut [0; 319]), Err(too_small));
    assert_eq!(decoder.decode(packet, &mut [0; 320]), Ok(320));
    assert_eq!(decoder.conceal(&mut []), Ok(0));
    for length in [1, 39, 41, 1_960] {
        let refused = decoder.conceal(&mut vec![0; length]);
        assert!(
            matches!(refused, Err(CodecError::WrongLength { .. })),
            "{length}"
        );
    }
    assert_eq!(decoder.conceal(&mut [0; 1_920]), Ok(1_920));
    let mut encoder = encoder(16_000);
    assert!(matches!(
        encoder.encode(&[0; 240], &mut [0; 400]),
        Err(CodecError::WrongLength { given: 240, .. })
    ));
    let too_small = CodecError::BufferTooSmall {
        needed: 60,
        given: 59,
    };
    assert_eq!(encoder.encode(&[0; 320], &mut [0; 59]), Err(too_small));
    assert!(encoder.encode(&[0; 320], &mut [0; 60]).is_ok());
    let too_small = CodecError::BufferTooSmall {
        needed: 30,
        given: 29,
    };
    assert_eq!(encoder.encode(&[0; 160], &mut [0; 29]), Err(too_small));
    assert!(encoder.encode(&[0; 160], &mut [0; 30]).is_ok());
}

#[test]
fn half_frames_among_whole_ones_sound_like_whole_ones_alone() {
    for rate_hz in RATES_HZ {
        let whole = likeness(rate_hz, &[2]);
        let mixed = likeness(rate_hz, &[2, 1, 2]);
        assert!(mixed > whole - 0.03, "{rate_hz}: {mixed} for {whole}");
    }
}

/// How much like the voice is what is heard of it, 1 at most, where frames have these lengths in turn, in halves of one.
fn likeness(rate_hz: u32, halves: &[usize]) -> f64 {
    let (mut encoder, mut decoder) = (encoder(rate_hz), decoder(rate_hz));
    let frame = encoder.frame_samples();
    let said: Vec<i16> = (0..frame * 50)
        .map(|n| voice(n as f64 / f64::from(rate_hz)))
        .collect();
    let mut heard = Vec::new();
    for halves in halves.iter().cycle() {
        let length = frame / 2 * halves;
        let Some(pcm) = said.get(heard.len()..heard.len() + length) else {
            break;
        };
        let (mut packet, mut out) = ([0; 400], vec![0; length]);
        let bytes = encoder.encode(pcm, &mut packet).expect("a frame");
        assert_eq!(decoder.decode(&packet[..bytes], &mut out), Ok(length));
        heard.extend(out);
    }
    // Whatever the codec's delay is.
    let at_lag = |lag: usize| {
        let (said, heard) = (&said[..frame * 40], &heard[lag..lag + frame * 40]);
        let pairs = said.iter().zip(heard);
        let product: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        product / said.len() as f64 / rms(said) / rms(heard)
    };
    (0..frame).map(at_lag).fold(0.0, f64::max)
}

#[test]
fn the_packet_of_silence_is_one_byte_that_stands_for_10_ms_of_it() {
    // Together they use every mode of Opus: 12 kbit/s is linear prediction, 128 a transform, and 24 both from 24 kHz on.
    for (rate_hz, bitrate_bps) in [(16_000, 12_000), (24_000, 24_000), (48_000, 128_000)] {
        let config = OpusEncoderConfig {
            sample_rate_hz: rate_hz,
            complexity: 5,
            bitrate_bps,
        };
        let mut encoder = OpusEncoder::new(config).expect("a valid configuration");
        assert_eq!(encoder.silence_packet(), None, "nothing was encoded");
        let mut decoder = decoder(rate_hz);
        let frame = encoder.frame_samples();
        let mut encode_and_decode = |pcm: &[i16]| {
            let (mut packet, mut out) = ([0; 1_276], vec![0; pcm.len()]);
            let bytes = encoder.encode(pcm, &mut packet).expect("a frame");
            decoder
                .decode(&packet[..bytes], &mut out)
                .expect("a packet");
            let silence = encoder.silence_packet().expect("a frame was encoded");
            assert_eq!(silence.len(), 1);
            let same = 0b1111_0000;
            assert_eq!(silence[0] & same, packet[0] & same, "{rate_hz}");
            (silence[0], out)
        };
        for number in 0..20 {
            let sample = |n: usize| voice((number * frame + n) as f64 / f64::from(rate_hz));
            encode_and_decode(&(0..frame).map(sample).collect::<Vec<_>>());
        }
        let silent = vec![0; frame];
        let ends = (0..3).map(|_| encode_and_decode(&silent));
        let (silence, _) = ends.last().expect("three");
        // Of a half frame it is the same one.
        let (of_half, _) = encode_and_decode(&silent[..frame / 2]);
        assert_eq!(silence, of_half, "{rate_hz}");
        for _ in 0..5 {
            let mut out = vec![99; frame];
            assert_eq!(decoder.decode(&[silence], &mut out), Ok(frame / 2));
            assert!(rms(&out[..frame / 2]) < 10.0, "{rate_hz}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_sound_of_the_length_foretold_or_refused(
        stream in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
        rate_hz in prop::sample::select(&RATES_HZ[..]),
    ) {
        check_hostile(&stream, rate_hz);
    }

    #[test]
    fn damaged_packets_are_sound_or_refused(
        damage in prop::collection::vec((0_usize..8, 0_usize..80, any::<u8>()), 0..20),
        cuts in prop::collection::vec((0_usize..8, 0_usize..80), 0..3),
        rate_hz in prop::sample::select(&RATES_HZ[..]),
    ) {
        let mut stream = packets(24_000, 8);
        for (packet, place, value) in damage {
            if let Some(byte) = stream[packet].get_mut(place) {
                *byte = value;
            }
        }
        for (packet, length) in cuts {
            stream[packet].truncate(length);
        }
        check_hostile(&stream, rate_hz);
    }
}

#[test]
fn the_least_effort_is_complexity_one_and_ends_when_told() {
    let of = |complexity| {
        let config = OpusEncoderConfig {
            sample_rate_hz: 24_000,
            complexity,
            bitrate_bps: 24_000,
        };
        OpusEncoder::new(config).expect("a valid configuration")
    };
    let encode = |mut encoder: OpusEncoder, efforts: &[Effort]| {
        let packet = |(number, &effort): (usize, &Effort)| {
            encoder.set_effort(effort);
            let mut payload = vec![0; 400];
            let time_s = |sample: usize| (number * 480 + sample) as f64 / 24_000.0;
            let pcm: Vec<i16> = (0..480).map(|sample| voice(time_s(sample))).collect();
            let length = encoder.encode(&pcm, &mut payload).expect("a frame");
            payload.truncate(length);
            payload
        };
        efforts.iter().enumerate().map(packet).collect::<Vec<_>>()
    };
    let (whole, least) = ([Effort::Configured; 50], [Effort::Least; 50]);
    assert_eq!(encode(of(5), &least), encode(of(1), &whole));
    assert_eq!(encode(of(0), &least), encode(of(0), &whole));
    let back = [&least[..], &whole[..]].concat();
    assert_ne!(encode(of(5), &back)[50..], encode(of(1), &back)[50..]);
}

/// Decodes a stream of anything: lengths as foretold, at most 120 ms, nothing written past them, and fit for use after.
fn check_hostile(stream: &[Vec<u8>], rate_hz: u32) {
    let longest = (rate_hz / 1_000 * 120) as usize;
    let mut decoder = decoder(rate_hz);
    let mut out = vec![0; longest + 1];
    for payload in stream {
        let foretold = decoder.packet_samples(payload);
        out.fill(12_345);
        match decoder.decode(payload, &mut out) {
            Ok(samples) => {
                assert_eq!(Ok(samples), foretold);
                assert!(samples > 0 && samples <= longest);
                assert!(out[samples..].iter().all(|&sample| sample == 12_345));
            }
            Err(error) => assert!(matches!(error, CodecError::MalformedPacket), "{error}"),
        }
        assert_eq!(decoder.conceal(&mut out[..longest / 12]), Ok(longest / 12));
    }
}
