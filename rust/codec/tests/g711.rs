//! G.711 as a call uses it.

use beluga_codec::{ALaw, CodecError, Decoder, Encoder, MuLaw};
use proptest::prelude::*;

fn decoders() -> [Box<dyn Decoder>; 2] {
    [Box::new(MuLaw::new()), Box::new(ALaw::new())]
}

fn encoders() -> [Box<dyn Encoder>; 2] {
    [Box::new(MuLaw::new()), Box::new(ALaw::new())]
}

#[test]
fn speech_levels_survive_within_the_laws_precision() {
    let pcm: Vec<i16> = (0..160)
        .map(|k| (8_000.0 * (k as f64 * 0.7).sin()) as i16)
        .collect();
    for (mut encoder, mut decoder) in encoders().into_iter().zip(decoders()) {
        let mut packet = [0; 200];
        let mut decoded = [0; 200];
        assert_eq!(encoder.encode(&pcm, &mut packet), Ok(160));
        assert_eq!(decoder.decode(&packet[..160], &mut decoded), Ok(160));
        for (&before, &after) in pcm.iter().zip(&decoded) {
            // Sixteen steps in each doubling, the smallest of 16.
            let step = (i32::from(before).abs() / 16).max(16);
            assert!(
                (i32::from(before) - i32::from(after)).abs() <= step,
                "{before}: {after}"
            );
        }
    }
}

#[test]
fn a_lost_packet_repeats_the_last_frame_and_fades_within_60_ms() {
    for mut decoder in decoders() {
        let payload: Vec<u8> = (0..160).collect();
        let mut frame = [0; 160];
        decoder.decode(&payload, &mut frame).expect("a packet");
        let mut concealed = [99; 640];
        for part in concealed.chunks_mut(80) {
            assert_eq!(decoder.conceal(part), Ok(80));
        }
        for (k, &sample) in concealed.iter().enumerate() {
            let gain = (1.0 - k as f64 / 480.0).max(0.0);
            let expected = f64::from(frame[k % 160]) * gain;
            assert!((f64::from(sample) - expected).abs() <= 1.0, "sample {k}");
        }
        // The next loss starts afresh.
        decoder.decode(&payload, &mut frame).expect("a packet");
        decoder.conceal(&mut concealed[..80]).expect("10 ms");
        assert_eq!(concealed[0], frame[0]);
    }
}

#[test]
fn frames_of_other_lengths_are_repeated_too() {
    for mut decoder in decoders() {
        let payload: Vec<u8> = (0..240).map(|k| k as u8).collect();
        let (mut frame, mut concealed) = ([0; 240], [0; 20]);
        for length in [1, 80, 240] {
            decoder
                .decode(&payload[..length], &mut frame)
                .expect("a packet");
            decoder.conceal(&mut concealed).expect("2.5 ms");
            assert_eq!(
                concealed[0],
                frame[length.saturating_sub(160)],
                "{length} samples"
            );
        }
    }
}

#[test]
fn with_nothing_heard_yet_a_loss_is_silence() {
    for mut decoder in decoders() {
        let mut out = [99; 80];
        assert_eq!(decoder.conceal(&mut out), Ok(80));
        assert_eq!(out, [0; 80]);
        decoder.decode(&[0x12; 80], &mut out).expect("a packet");
        decoder.reset();
        decoder.conceal(&mut out).expect("10 ms");
        assert_eq!(out, [0; 80]);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for mut decoder in decoders() {
        let mut out = [0; 1_000];
        assert_eq!(
            decoder.decode(&[], &mut out),
            Err(CodecError::MalformedPacket)
        );
        assert_eq!(
            decoder.decode(&[0; 961], &mut out),
            Err(CodecError::MalformedPacket)
        );
        assert_eq!(decoder.decode(&[0; 960], &mut out), Ok(960));
        let too_small = CodecError::BufferTooSmall {
            needed: 160,
            given: 159,
        };
        assert_eq!(decoder.decode(&[0; 160], &mut out[..159]), Err(too_small));
        assert!(matches!(
            decoder.conceal(&mut out[..81]),
            Err(CodecError::WrongLength { given: 81, .. })
        ));
        assert!(matches!(
            decoder.conceal(&mut out),
            Err(CodecError::WrongLength { .. })
        ));
        assert_eq!(decoder.conceal(&mut []), Ok(0));
    }
    for mut encoder in encoders() {
        assert!(matches!(
            encoder.encode(&[0; 81], &mut [0; 160]),
            Err(CodecError::WrongLength { .. })
        ));
        assert_eq!(encoder.encode(&[0; 80], &mut [0; 80]), Ok(80));
        assert_eq!(encoder.silence_packet(), None);
        let too_small = CodecError::BufferTooSmall {
            needed: 160,
            given: 159,
        };
        assert_eq!(encoder.encode(&[0; 160], &mut [0; 159]), Err(too_small));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_sound_or_refused(payload in prop::collection::vec(any::<u8>(), 0..1_200)) {
        for mut decoder in decoders() {
            let mut out = [0; 960];
            match decoder.decode(&payload, &mut out) {
                Ok(samples) => prop_assert_eq!(samples, payload.len()),
                Err(error) => prop_assert_eq!(error, CodecError::MalformedPacket),
            }
            prop_assert_eq!(decoder.conceal(&mut out), Ok(960));
        }
    }
}
