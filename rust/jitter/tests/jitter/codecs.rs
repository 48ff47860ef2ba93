//! The buffer with the codecs that calls use.

use beluga_codec::{Decoder, Encoder, MuLaw, OpusDecoder, OpusEncoder, OpusEncoderConfig};
use beluga_jitter::{
    DelayBounds, JitterBuffer, JitterConfig, MAX_PAYLOAD_BYTES, Packet, PullOutcome,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const PACKETS: usize = 50;
const TARGET_TICKS: usize = 6;

fn opus_encoder() -> Box<dyn Encoder> {
    let config = OpusEncoderConfig {
        sample_rate_hz: 16_000,
        complexity: 1,
        bitrate_bps: 24_000,
    };
    Box::new(OpusEncoder::new(config).unwrap())
}

fn opus_decoder() -> Box<dyn Decoder> {
    Box::new(OpusDecoder::new(16_000).unwrap())
}

/// A tone that glides upwards, in packets of the encoder's frame.
fn encode(mut encoder: Box<dyn Encoder>) -> Vec<Vec<u8>> {
    let rate_hz = encoder.sample_rate_hz() as f32;
    let glide = |sample: usize| {
        let at_s = sample as f32 / rate_hz;
        (8_000.0 * (std::f32::consts::TAU * (300.0 + 200.0 * at_s) * at_s).sin()) as i16
    };
    let frame = encoder.frame_samples();
    let encode_one = |packet: usize| {
        let pcm: Vec<i16> = (packet * frame..(packet + 1) * frame).map(glide).collect();
        let mut payload = vec![0; MAX_PAYLOAD_BYTES];
        let length = encoder.encode(&pcm, &mut payload).unwrap();
        payload.truncate(length);
        payload
    };
    (0..PACKETS).map(encode_one).collect()
}

fn fixed(ms: u32) -> DelayBounds {
    DelayBounds {
        min_ms: ms,
        max_ms: ms,
    }
}

struct Codec {
    payloads: Vec<Vec<u8>>,
    packet_ms: usize,
    rtp_clock_hz: u32,
    decoder: fn() -> Box<dyn Decoder>,
}

fn codecs() -> [Codec; 2] {
    let mu_law = Box::new(MuLaw::new());
    let packet_ms =
        |encoder: &dyn Encoder| encoder.frame_samples() * 1_000 / encoder.sample_rate_hz() as usize;
    [
        Codec {
            packet_ms: packet_ms(&*opus_encoder()),
            payloads: encode(opus_encoder()),
            rtp_clock_hz: 48_000,
            decoder: opus_decoder,
        },
        Codec {
            packet_ms: packet_ms(&*mu_law),
            payloads: encode(mu_law),
            rtp_clock_hz: 8_000,
            decoder: || Box::new(MuLaw::new()),
        },
    ]
}

/// Plays what is not lost, sent in time: what was heard after the target, and what each pull was.
fn play(codec: &Codec, lost: impl Fn(usize) -> bool) -> (Vec<i16>, Vec<PullOutcome>) {
    let config = JitterConfig {
        delay: fixed(TARGET_TICKS as u32 * 10),
        capacity_packets: 50,
        rtp_clock_hz: codec.rtp_clock_hz,
    };
    let mut buffer = JitterBuffer::new(config, (codec.decoder)()).unwrap();
    let mut frame = vec![0; buffer.frame_samples()];
    let (mut heard, mut outcomes) = (Vec::new(), Vec::new());
    for tick in 0..PACKETS * codec.packet_ms / 10 + TARGET_TICKS {
        let now_us = tick as u64 * 10_000;
        let packet = tick * 10 / codec.packet_ms;
        let begins = (tick * 10).is_multiple_of(codec.packet_ms);
        if begins && packet < PACKETS && !lost(packet) {
            buffer.push(Packet {
                arrival_us: now_us,
                sequence: packet as u16,
                timestamp: (tick * codec.rtp_clock_hz as usize / 100) as u32,
                ssrc: 1,
                payload: &codec.payloads[packet],
            });
        }
        let outcome = buffer.pull(now_us, &mut frame);
        if tick >= TARGET_TICKS {
            heard.extend_from_slice(&frame);
            outcomes.push(outcome);
        }
    }
    (heard, outcomes)
}

#[test]
fn a_whole_stream_sounds_as_its_decoder_alone() {
    for codec in codecs() {
        let mut decoder = (codec.decoder)();
        let mut alone = Vec::new();
        for payload in &codec.payloads {
            let mut sound = vec![0; decoder.packet_samples(payload).unwrap()];
            decoder.decode(payload, &mut sound).unwrap();
            alone.extend(sound);
        }
        let (heard, outcomes) = play(&codec, |_| false);
        assert!(heard == alone, "{:?}", (codec.decoder)());
        assert!(
            outcomes
                .iter()
                .all(|&outcome| outcome == PullOutcome::Decoded)
        );
    }
}

#[test]
fn a_lost_packet_is_neither_silent_nor_longer_than_it_was() {
    for codec in codecs() {
        let (heard, outcomes) = play(&codec, |packet| packet == 20);
        let ticks = codec.packet_ms / 10;
        let lost = 20 * ticks..21 * ticks;
        for (tick, &outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome == PullOutcome::Concealed, lost.contains(&tick));
        }
        let frame = heard.len() / outcomes.len();
        let loudest = heard[lost.start * frame..lost.end * frame].iter().max();
        assert!(*loudest.unwrap() > 2_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        rng_seed: RngSeed::Fixed(0x5eed),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_bytes_never_panic(
        packets in prop::collection::vec(
            (0_u16..40, any::<u32>(), prop::collection::vec(any::<u8>(), 0..200)),
            1..60,
        ),
    ) {
        for (decoder, rtp_clock_hz) in [
            (opus_decoder(), 48_000),
            (Box::new(MuLaw::new()) as Box<dyn Decoder>, 8_000),
        ] {
            let config = JitterConfig { delay: fixed(20), capacity_packets: 10, rtp_clock_hz };
            let mut buffer = JitterBuffer::new(config, decoder).unwrap();
            let mut frame = vec![0; buffer.frame_samples()];
            for (now_us, (sequence, timestamp, payload)) in (0..).step_by(10_000).zip(&packets) {
                buffer.push(Packet {
                    arrival_us: now_us,
                    sequence: *sequence,
                    timestamp: *timestamp % 100_000,
                    ssrc: 1,
                    payload,
                });
                buffer.pull(now_us, &mut frame);
            }
        }
    }
}
