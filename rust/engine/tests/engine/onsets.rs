//! What a listener hears of a door that does not encode silence: the first 20 ms of an utterance, when they come, and the end
//! of the last one. Through libopus and our jitter buffer; beside it a door that encodes silence for ever.

use crate::common::caller::Caller;
use beluga_codec::{CodecError, Encoder, OpusDecoder, OpusEncoder, OpusEncoderConfig};
use beluga_engine::{Age, Counters, EncodedPacket, OutDoor, SendTime, packet_out};
use beluga_jitter::{DelayBounds, JitterBuffer, JitterConfig, Packet};
use beluga_sim::{Conditions, GilbertElliott, Network, RTP_HEADERS_BYTES};
use std::f64::consts::TAU;

const RATES_HZ: [u32; 2] = [16_000, 24_000];
const TARGET_MS: u32 = 40;
const UTTERANCES: usize = 50;
const FRAME_RTP: u32 = 960;
/// Where an utterance may lie behind what was said, in milliseconds: the buffer's target, a frame, the codec's delay.
const LAGS_MS: std::ops::Range<usize> = 45..85;
/// So much quieter than the sound that was cut, its tail is over.
const TAIL_DB: f64 = 30.0;

/// Opus whose silence is encoded like everything else.
#[derive(Debug)]
struct NeverResting(OpusEncoder);

impl Encoder for NeverResting {
    fn sample_rate_hz(&self) -> u32 {
        self.0.sample_rate_hz()
    }

    fn frame_samples(&self) -> usize {
        self.0.frame_samples()
    }

    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        self.0.encode(pcm, out)
    }
}

fn opus(rate_hz: u32) -> OpusEncoder {
    OpusEncoder::new(OpusEncoderConfig {
        sample_rate_hz: rate_hz,
        complexity: 5,
        bitrate_bps: 24_000,
    })
    .expect("a configuration")
}

fn resting(rate_hz: u32) -> Box<dyn Encoder> {
    Box::new(opus(rate_hz))
}

fn never_resting(rate_hz: u32) -> Box<dyn Encoder> {
    Box::new(NeverResting(opus(rate_hz)))
}

/// Numbers that look random (D. Knuth's generator, the upper bits).
struct Draw(u64);

impl Draw {
    /// 0 to below 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }
}

/// Utterances with digital silence before, between and after them.
struct Talk {
    rate_hz: u32,
    sound: Vec<i16>,
    /// First sample and length of each.
    utterances: Vec<(usize, usize)>,
}

impl Talk {
    /// Pauses of any length from 0.1 to 1.5 s, to the sample: an utterance begins whatever the door is doing.
    fn new(rate_hz: u32, mut utterance: impl FnMut(&mut Draw) -> Vec<i16>) -> Self {
        let mut draw = Draw(7);
        let (shortest, longest) = (rate_hz as usize / 10, rate_hz as usize * 3 / 2);
        let mut talk = Self {
            rate_hz,
            sound: Vec::new(),
            utterances: Vec::new(),
        };
        for _ in 0..UTTERANCES {
            talk.pause(shortest + draw.below(longest - shortest));
            let said = utterance(&mut draw);
            talk.utterances.push((talk.sound.len(), said.len()));
            talk.sound.extend(said);
        }
        talk.pause(rate_hz as usize);
        talk
    }

    fn pause(&mut self, samples: usize) {
        self.sound.resize(self.sound.len() + samples, 0);
    }

    /// Voices at -20 dBFS, cut out of sentences where they are loud, their first 3 ms faded in.
    fn voices(rate_hz: u32) -> Self {
        let sentences: Vec<Vec<i16>> = [95.0, 120.0, 150.0, 190.0]
            .map(|pitch_hz| {
                let caller = Caller::new(rate_hz).with(|caller| {
                    caller.pitch_hz = pitch_hz;
                    caller.noise_dbfs = -75.0;
                });
                caller.voice(1_600).pcm()
            })
            .into();
        let (length, fade) = (rate_hz as usize * 6 / 10, rate_hz as usize * 3 / 1_000);
        Self::new(rate_hz, |draw| {
            let sentence = &sentences[draw.below(sentences.len())];
            let start = draw.below(sentence.len() - length);
            let mut said = sentence[start..start + length].to_vec();
            for (n, sample) in said[..fade].iter_mut().enumerate() {
                *sample = (f64::from(*sample) * n as f64 / fade as f64) as i16;
            }
            said
        })
    }

    /// Tones that begin and end at once. They glide, since a steady tone has no place in time.
    fn tones(rate_hz: u32) -> Self {
        Self::new(rate_hz, |draw| {
            let (low_hz, phase) = (200.0 + 2_000.0 * draw.uniform(), TAU * draw.uniform());
            let sample = |n: usize| {
                let time_s = n as f64 / f64::from(rate_hz);
                6_000.0 * (TAU * (low_hz + 150.0 * time_s) * time_s + phase).sin()
            };
            (0..rate_hz as usize / 2)
                .map(|n| sample(n) as i16)
                .collect()
        })
    }

    /// What is heard of it where `encoder` encodes and packets go the way of `loss`; those that `lost` names never arrive.
    fn heard(
        &self,
        encoder: Box<dyn Encoder>,
        loss: GilbertElliott,
        lost: impl Fn(&EncodedPacket) -> bool,
    ) -> Heard<'_> {
        let (mut reader, mut door, _) = packet_out(encoder, 48_000, 0);
        let conditions = Conditions {
            loss,
            ..Conditions::default()
        };
        let mut network = Network::new(conditions, 5).expect("a network");
        let config = JitterConfig {
            delay: DelayBounds {
                min_ms: TARGET_MS,
                max_ms: TARGET_MS,
            },
            capacity_packets: 64,
            rtp_clock_hz: 48_000,
        };
        let decoder = OpusDecoder::new(self.rate_hz).expect("a rate");
        let mut buffer = JitterBuffer::new(config, Box::new(decoder)).expect("a configuration");
        let (counters, age_us) = (Counters::default(), Age::default());
        let mut heard = Vec::with_capacity(self.sound.len());
        let mut out = vec![0; buffer.frame_samples()];
        for (tick, frame) in self.sound.chunks_exact(out.len()).enumerate() {
            let now_us = (tick as u64 + 1) * 10_000;
            let time = SendTime {
                due_us: now_us,
                now_us,
            };
            door.send(frame, time, &counters);
            while let Some(packet) = reader.pop(now_us, &age_us) {
                if !lost(&packet) {
                    let wire_bytes = packet.payload().len() + RTP_HEADERS_BYTES;
                    network.push(now_us, wire_bytes, packet);
                }
            }
            while let Some(delivered) = network.pop(now_us) {
                let packet = delivered.payload;
                buffer.push(Packet {
                    arrival_us: delivered.arrival_us,
                    sequence: packet.sequence,
                    timestamp: packet.timestamp,
                    ssrc: 1,
                    payload: packet.payload(),
                });
            }
            buffer.pull(now_us, &mut out);
            heard.extend_from_slice(&out);
        }
        Heard {
            talk: self,
            sound: heard,
        }
    }

    /// Whether the packet is of the frame before one with which an utterance begins.
    fn is_before_an_onset(&self, packet: &EncodedPacket) -> bool {
        let tick_samples = self.rate_hz as usize / 100;
        self.utterances.iter().any(|&(start, _)| {
            // Doors of phase 0 fill their first frame in the second tick: half of it is before the sound.
            let frame = (start + tick_samples) / (2 * tick_samples);
            packet.timestamp + FRAME_RTP == frame as u32 * FRAME_RTP
        })
    }
}

fn is_front(packet: &EncodedPacket) -> bool {
    !packet.timestamp.is_multiple_of(FRAME_RTP)
}

fn none(_: &EncodedPacket) -> bool {
    false
}

struct Heard<'a> {
    talk: &'a Talk,
    sound: Vec<i16>,
}

/// Of all utterances, in order of size.
struct Onsets {
    /// Level of the first 20 ms as heard, against what was said.
    level_db: Vec<f64>,
    /// How far what is heard lies behind what was said.
    lag_ms: Vec<f64>,
}

impl Heard<'_> {
    fn onsets(&self) -> Onsets {
        let rate_hz = self.talk.rate_hz as usize;
        let said = &self.talk.sound;
        let first = rate_hz / 50;
        let (mut level_db, mut lag_ms) = (Vec::new(), Vec::new());
        for &(start, length) in &self.talk.utterances {
            let lag = self.lag(start, length);
            let heard = &self.sound[start + lag..start + lag + first];
            level_db.push(level(heard) - level(&said[start..start + first]));
            lag_ms.push(lag as f64 * 1_000.0 / rate_hz as f64);
        }
        level_db.sort_by(f64::total_cmp);
        lag_ms.sort_by(f64::total_cmp);
        Onsets { level_db, lag_ms }
    }

    /// How long each utterance is heard after its end, in milliseconds.
    fn tails_ms(&self) -> Vec<usize> {
        let ms = self.talk.rate_hz as usize / 1_000;
        let tail = |&(start, length): &(usize, usize)| {
            let end = start + length;
            let floor = level(&self.talk.sound[end - 20 * ms..end]) - TAIL_DB;
            let after = &self.sound[end + self.lag(start, length)..][..90 * ms];
            let audible = after.chunks(ms).rposition(|sound| level(sound) > floor);
            audible.map_or(0, |last| last + 1)
        };
        self.talk.utterances.iter().map(tail).collect()
    }

    /// The lag of the largest correlation over the utterance's middle.
    fn lag(&self, start: usize, length: usize) -> usize {
        let ms = self.talk.rate_hz as usize / 1_000;
        let middle = start + length / 4..start + length * 3 / 4;
        let correlation = |lag: usize| -> f64 {
            let pairs = self.talk.sound[middle.clone()]
                .iter()
                .zip(&self.sound[middle.start + lag..]);
            pairs
                .step_by(7)
                .map(|(&a, &b)| f64::from(a) * f64::from(b))
                .sum()
        };
        let lags = LAGS_MS.start * ms..LAGS_MS.end * ms;
        lags.max_by(|&one, &other| correlation(one).total_cmp(&correlation(other)))
            .expect("some lag")
    }
}

impl Onsets {
    /// Median and tenth percentile.
    fn quantiles_db(&self) -> (f64, f64) {
        let count = self.level_db.len();
        (self.level_db[count / 2], self.level_db[count / 10])
    }

    fn are_whole(&self) -> bool {
        let (median_db, p10_db) = self.quantiles_db();
        median_db.abs() <= 1.0 && p10_db >= -3.0
    }

    fn last_ms(&self) -> f64 {
        self.lag_ms[self.lag_ms.len() - 1]
    }
}

/// In dBFS.
fn level(sound: &[i16]) -> f64 {
    let power: f64 = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    10.0 * (power / sound.len() as f64 + 0.1).log10() - 90.3
}

/// What utterances are made of, at a rate: a voice is what matters, a tone shows what a codec does to it.
fn talks(rate_hz: u32) -> [(&'static str, Talk); 2] {
    [
        ("voices", Talk::voices(rate_hz)),
        ("tones", Talk::tones(rate_hz)),
    ]
}

const NO_LOSS: GilbertElliott = GilbertElliott::independent(0.0);

#[test]
fn an_utterance_after_any_pause_begins_as_loud_as_it_was_said() {
    for rate_hz in RATES_HZ {
        for (what, talk) in talks(rate_hz) {
            let onsets = talk.heard(resting(rate_hz), NO_LOSS, none).onsets();
            let always = talk.heard(never_resting(rate_hz), NO_LOSS, none).onsets();
            assert!(
                onsets.are_whole(),
                "{what} at {rate_hz}: {:?}",
                onsets.level_db
            );
            assert!(
                onsets.level_db[0] >= always.level_db[0] - 1.0,
                "{what} at {rate_hz}: one is {} dB",
                onsets.level_db[0]
            );
            // A buffer of fixed delay measures it from the front, which is half a frame.
            assert!(
                onsets.last_ms() <= always.last_ms() + 10.1,
                "{what} at {rate_hz}: {} ms after {}",
                onsets.last_ms(),
                always.last_ms()
            );
        }
    }
}

#[test]
fn it_does_where_two_in_a_hundred_packets_are_lost() {
    for rate_hz in RATES_HZ {
        for (what, talk) in talks(rate_hz) {
            let loss = GilbertElliott::independent(0.02);
            let onsets = talk.heard(resting(rate_hz), loss, none).onsets();
            assert!(
                onsets.are_whole(),
                "{what} at {rate_hz}: {:?}",
                onsets.level_db
            );
        }
    }
}

/// After loss a decoder fades in and dulls the first packet that it gets. Whoever sends all the time is not spared that: the loss
/// of one silent frame right before an utterance costs him more.
#[test]
fn a_lost_front_costs_less_than_a_lost_frame_of_who_never_rests() {
    for rate_hz in RATES_HZ {
        for (what, talk) in talks(rate_hz) {
            let onsets = talk.heard(resting(rate_hz), NO_LOSS, is_front).onsets();
            let before = |packet: &EncodedPacket| talk.is_before_an_onset(packet);
            let always = talk.heard(never_resting(rate_hz), NO_LOSS, before).onsets();
            let (ours, theirs) = (onsets.quantiles_db(), always.quantiles_db());
            assert!(
                ours.0 > theirs.0 + 1.0 && ours.1 > theirs.1 + 1.0,
                "{what} at {rate_hz}: {ours:?} and {theirs:?}"
            );
            if what == "voices" {
                assert!(ours.0 >= -2.0, "at {rate_hz}: {ours:?}");
            }
        }
    }
}

#[test]
fn a_tone_that_is_cut_is_heard_for_at_most_30_ms_more() {
    for rate_hz in RATES_HZ {
        let talk = Talk::tones(rate_hz);
        let tails_ms = talk.heard(resting(rate_hz), NO_LOSS, none).tails_ms();
        assert!(
            tails_ms.iter().all(|&tail| tail <= 30),
            "{rate_hz}: {tails_ms:?}"
        );
    }
}
