//! What a packet door sends while there is nothing to hear, and how it begins again.

use beluga_codec::{CodecError, Encoder, MuLaw};
use beluga_engine::{Age, Counters, EncodedPacket, OutDoor, SendTime, packet_out};
use proptest::prelude::*;

const RATE_HZ: usize = 8_000;
const TICK_SAMPLES: usize = 80;
const FRAME_SAMPLES: usize = 160;
/// RTP ticks, at 48 kHz, of a frame and of a sample.
const FRAME_RTP: u32 = 960;
const SAMPLE_RTP: u32 = 6;
const TICK_US: u64 = 10_000;
/// Longest pause between two packets, in RTP ticks: 400 ms.
const LONGEST_PAUSE_RTP: u32 = 19_200;

/// A packet is its samples, each from 0 to 255; that of silence is empty but for one byte.
#[derive(Debug)]
struct Plain;

impl Encoder for Plain {
    fn sample_rate_hz(&self) -> u32 {
        RATE_HZ as u32
    }

    fn frame_samples(&self) -> usize {
        FRAME_SAMPLES
    }

    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        for (byte, &sample) in out.iter_mut().zip(pcm) {
            *byte = u8::try_from(sample).expect("a sample of these tests");
        }
        Ok(pcm.len())
    }

    fn silence_packet(&self) -> Option<&[u8]> {
        Some(&[0xff])
    }
}

/// A packet is the frame, the half frame ahead of it, or silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Frame,
    Front,
    Silence,
}

fn kind(packet: &EncodedPacket) -> Kind {
    match packet.payload().len() {
        FRAME_SAMPLES => Kind::Frame,
        TICK_SAMPLES => Kind::Front,
        1 => Kind::Silence,
        other => panic!("a packet of {other} bytes"),
    }
}

fn kinds(packets: &[EncodedPacket]) -> Vec<Kind> {
    packets.iter().map(kind).collect()
}

/// What a door made of a sound.
struct Sent {
    packets: Vec<EncodedPacket>,
    counters: Counters,
    /// Due time of the first tick in which a frame was full.
    first_us: u64,
}

/// Hands a door `sound`, 10 ms in each tick from `first_tick` on; those that `skipped` says are skipped.
fn send(
    encoder: Box<dyn Encoder>,
    phase: usize,
    first_tick: u64,
    sound: &[i16],
    skipped: impl Fn(usize) -> bool,
) -> Sent {
    let (mut reader, mut door, _) = packet_out(encoder, 48_000, phase);
    let (counters, age_us) = (Counters::default(), Age::default());
    let mut packets = Vec::new();
    for (index, frame) in sound.chunks_exact(TICK_SAMPLES).enumerate() {
        let due_us = (first_tick + index as u64) * TICK_US;
        let time = SendTime {
            due_us,
            now_us: due_us,
        };
        if skipped(index) {
            door.skip(frame, time, &counters);
        } else {
            door.send(frame, time, &counters);
        }
        let before = packets.len();
        packets.extend(std::iter::from_fn(|| reader.pop(due_us, &age_us)));
        let burst = kinds(&packets[before..]);
        assert!(
            burst.len() <= 1 || burst == [Kind::Front, Kind::Frame],
            "{burst:?} in one tick"
        );
    }
    let offset = u64::from(first_tick % 2 != phase as u64 % 2);
    Sent {
        packets,
        counters,
        first_us: (first_tick + offset) * TICK_US,
    }
}

/// `sound` where frames begin: the first one of a door whose phase is the first tick's begins a tick earlier.
fn on_the_grid(sound: &[i16], phase: usize, first_tick: u64) -> Vec<i16> {
    let ahead = if first_tick % 2 == phase as u64 % 2 {
        TICK_SAMPLES
    } else {
        0
    };
    let mut grid = vec![0; ahead];
    grid.extend_from_slice(sound);
    grid.truncate(grid.len() / FRAME_SAMPLES * FRAME_SAMPLES);
    grid
}

fn ms(ms: usize) -> usize {
    ms * RATE_HZ / 1_000
}

/// Pauses and sounds in turn, of so many samples each.
fn talk(lengths: &[usize]) -> Vec<i16> {
    let mut sound = Vec::new();
    for (index, &length) in lengths.iter().enumerate() {
        let start = sound.len();
        sound.extend((start..start + length).map(|n| match index % 2 {
            0 => 0,
            _ => 1 + (n * 7 % 255) as i16,
        }));
    }
    sound
}

#[test]
fn ten_seconds_of_silence_are_three_frames_and_a_byte_every_400_ms() {
    let sound = talk(&[0, ms(1_000), ms(10_000)]);
    let sent = send(Box::new(Plain), 0, 1, &sound, |_| false);
    let silence = &sent.packets[50..];
    assert_eq!(kinds(&silence[..3]), [Kind::Frame; 3]);
    assert_eq!(kinds(&silence[3..]), [Kind::Silence; 25]);
    let bytes: usize = silence[3..]
        .iter()
        .map(|packet| packet.payload().len())
        .sum();
    assert_eq!(bytes, 25);
    for (index, packet) in silence[3..].iter().enumerate() {
        assert_eq!(packet.timestamp, (53 + 20 * index as u32) * FRAME_RTP);
        assert!(!packet.marker);
    }
    assert_eq!(sent.counters.packets_out_encoded.get(), 53);
    assert_eq!(sent.counters.packets_out_silent.get(), 25);
}

#[test]
fn who_never_says_anything_is_there_all_the_same() {
    let sent = send(Box::new(Plain), 0, 1, &talk(&[ms(1_000)]), |_| false);
    let expected = [
        [Kind::Frame; 3].as_slice(),
        [Kind::Silence; 3].as_slice(), // at 60, 460 and 860 ms
    ]
    .concat();
    assert_eq!(kinds(&sent.packets), expected);
    assert!(sent.packets[0].marker);
}

#[test]
fn a_sound_after_silence_begins_with_ten_silent_milliseconds_in_one_burst() {
    let sound = talk(&[ms(500), ms(40), ms(200)]);
    let sent = send(Box::new(Plain), 0, 1, &sound, |_| false);
    let onset = sent
        .packets
        .iter()
        .position(|packet| kind(packet) == Kind::Front)
        .expect("a front");
    let [front, first, second] = &sent.packets[onset..onset + 3] else {
        panic!("{:?}", sent.packets);
    };
    assert!(front.payload().iter().all(|&sample| sample == 0));
    assert_eq!(first.timestamp, 25 * FRAME_RTP);
    assert_eq!(front.timestamp, first.timestamp - FRAME_RTP / 2);
    assert_eq!(front.due_us, first.due_us);
    assert_eq!(second.due_us, first.due_us + 2 * TICK_US);
    assert_eq!(first.sequence, front.sequence + 1);
    let marked: Vec<u16> = sent
        .packets
        .iter()
        .filter(|packet| packet.marker)
        .map(|packet| packet.sequence)
        .collect();
    assert_eq!(marked, [0, front.sequence]);
}

#[test]
fn pauses_of_up_to_three_frames_are_speech_like_the_rest() {
    for silent_frames in 0..=3 {
        let sound = talk(&[0, ms(100), ms(20 * silent_frames), ms(100)]);
        let sent = send(Box::new(Plain), 0, 1, &sound, |_| false);
        assert_eq!(kinds(&sent.packets), vec![Kind::Frame; 10 + silent_frames]);
        let marked = sent.packets.iter().filter(|packet| packet.marker).count();
        assert_eq!(marked, 1);
    }
}

#[test]
fn a_sound_right_after_a_packet_of_silence_adjoins_it() {
    // The packet of silence takes the first half of its frame's time, the front the second.
    let sound = talk(&[0, ms(100), ms(80), ms(100)]);
    let sent = send(Box::new(Plain), 0, 1, &sound, |_| false);
    assert_eq!(
        kinds(&sent.packets[8..11]),
        [Kind::Silence, Kind::Front, Kind::Frame]
    );
    assert_eq!(sent.packets[8].timestamp, 8 * FRAME_RTP);
    assert_eq!(sent.packets[9].timestamp, 8 * FRAME_RTP + FRAME_RTP / 2);
    assert_eq!(sent.packets[10].timestamp, 9 * FRAME_RTP);
}

#[test]
fn a_codec_without_a_packet_of_silence_goes_on() {
    let sound = talk(&[ms(100), ms(100), ms(2_000)]);
    let sent = send(Box::new(MuLaw::new()), 0, 1, &sound, |_| false);
    assert_eq!(kinds(&sent.packets), [Kind::Frame; 110]);
    assert_eq!(sent.counters.packets_out_silent.get(), 0);
}

#[test]
fn what_is_skipped_in_silence_only_puts_off_the_next_byte() {
    let sound = talk(&[0, ms(100), ms(1_700), ms(100)]);
    let quiet = send(Box::new(Plain), 0, 1, &sound, |_| false);
    // Frames 8 (a byte's), 28 (the next) and 40.
    let skipped = |tick| [16, 17, 56, 57, 80, 81].contains(&tick);
    let sent = send(Box::new(Plain), 0, 1, &sound, skipped);
    let frames = |packets: &[EncodedPacket]| -> Vec<(Kind, u32, bool)> {
        packets
            .iter()
            .map(|packet| (kind(packet), packet.timestamp / FRAME_RTP, packet.marker))
            .filter(|(kind, ..)| *kind == Kind::Silence)
            .collect()
    };
    let silence = |frame| (Kind::Silence, frame, false);
    assert_eq!(frames(&quiet.packets), [8, 28, 48, 68, 88].map(silence));
    assert_eq!(frames(&sent.packets), [9, 29, 49, 69, 89].map(silence));
    // All the rest is as it was.
    let encoded = |packets: &[EncodedPacket]| -> Vec<(u32, bool, Vec<u8>)> {
        packets
            .iter()
            .filter(|packet| kind(packet) != Kind::Silence)
            .map(|packet| (packet.timestamp, packet.marker, packet.payload().to_vec()))
            .collect()
    };
    assert_eq!(encoded(&sent.packets), encoded(&quiet.packets));
}

/// Lengths, in samples, of a pause and of what is said after it: at any sample, from nothing to three seconds.
fn pauses_and_sounds() -> impl Strategy<Value = Vec<(usize, usize)>> {
    let pause = prop_oneof![0..ms(120), 0..ms(3_000)];
    let sound = prop_oneof![1..ms(60), 1..ms(3_000)];
    prop::collection::vec((pause, sound), 1..40)
}

fn ten_minutes(script: &[(usize, usize)]) -> Vec<i16> {
    let all = RATE_HZ * 600;
    let mut lengths = Vec::new();
    let mut total = 0;
    for &(pause, sound) in script.iter().cycle() {
        lengths.extend([pause, sound]);
        total += pause + sound;
        if total >= all {
            break;
        }
    }
    let mut sound = talk(&lengths);
    sound.truncate(all);
    sound
}

/// What holds however the time is filled: numbers, the grid, and that no sample of a frame in `grid` is missing or elsewhere.
fn check(sent: &Sent, grid: &[i16]) -> Result<(), TestCaseError> {
    let mut heard = vec![0_i16; grid.len()];
    for (index, packet) in sent.packets.iter().enumerate() {
        prop_assert_eq!(packet.sequence, index as u16);
        let frames = (packet.due_us - sent.first_us) / (2 * TICK_US);
        let on_time = frames as u32 * FRAME_RTP;
        let front = kind(packet) == Kind::Front;
        let ahead = if front { FRAME_RTP / 2 } else { 0 };
        prop_assert_eq!(packet.timestamp, on_time - ahead);
        if kind(packet) == Kind::Silence {
            prop_assert!(!packet.marker);
            continue;
        }
        let at = (packet.timestamp / SAMPLE_RTP) as usize;
        for (sample, &byte) in heard[at..].iter_mut().zip(packet.payload()) {
            prop_assert_eq!(*sample, 0, "two packets have the same time");
            *sample = byte.into();
        }
    }
    // As bytes: a difference of ten minutes is nothing to print.
    prop_assert!(heard == grid, "what is heard is not what was said");
    for pair in sent.packets.windows(2) {
        let [before, after] = [kind(&pair[0]), kind(&pair[1])];
        prop_assert!(
            (before, after) != (Kind::Silence, Kind::Frame),
            "speech without a front"
        );
        prop_assert_eq!(before == Kind::Front, pair[0].due_us == pair[1].due_us);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ten_minutes_of_speech_and_pauses_are_on_the_clock_to_the_sample(
        script in pauses_and_sounds(),
        phase in 0_usize..4,
        first_tick in 1_u64..1_000,
    ) {
        let sound = ten_minutes(&script);
        let grid = on_the_grid(&sound, phase, first_tick);
        let sent = send(Box::new(Plain), phase, first_tick, &sound, |_| false);
        check(&sent, &grid)?;
        for pair in sent.packets.windows(2) {
            prop_assert!(pair[1].timestamp - pair[0].timestamp <= LONGEST_PAUSE_RTP);
            let marked = kind(&pair[1]) == Kind::Front;
            prop_assert_eq!(pair[1].marker, marked);
        }
        let encoded = sent.packets.iter().filter(|packet| kind(packet) != Kind::Silence).count();
        prop_assert_eq!(sent.counters.packets_out_encoded.get(), encoded as u64);
        let silent = sent.packets.len() - encoded;
        prop_assert_eq!(sent.counters.packets_out_silent.get(), silent as u64);
    }

    #[test]
    fn what_is_skipped_is_missing_and_nothing_else(
        script in pauses_and_sounds(),
        phase in 0_usize..4,
        skips in prop::collection::vec((0_usize..200, 1_usize..6), 1..40),
    ) {
        let sound = ten_minutes(&script);
        let ticks = sound.len() / TICK_SAMPLES;
        let mut skipped = vec![false; ticks];
        let mut at = 0;
        for &(pause, pairs) in skips.iter().cycle() {
            at += 1 + pause;
            // The ladder skips two ticks at a time.
            let to = (at + 2 * pairs).min(ticks);
            if at >= to {
                break;
            }
            skipped[at..to].fill(true);
            at = to;
        }
        let mut grid = on_the_grid(&sound, phase, 1);
        let sent = send(Box::new(Plain), phase, 1, &sound, |tick| skipped[tick]);
        let first = usize::from(phase % 2 == 0);
        for (frame, samples) in grid.chunks_exact_mut(FRAME_SAMPLES).enumerate() {
            if skipped[first + 2 * frame] {
                samples.fill(0);
            }
        }
        check(&sent, &grid)?;
        // A marker wherever the encoded sound does not go on from what was encoded before, and nowhere else.
        let encoded: Vec<_> = sent.packets.iter().filter(|packet| kind(packet) != Kind::Silence).collect();
        for pair in encoded.windows(2) {
            let end = pair[0].timestamp + pair[0].payload().len() as u32 * SAMPLE_RTP;
            let goes_on = pair[1].timestamp == end && kind(pair[1]) == Kind::Frame;
            prop_assert_eq!(pair[1].marker, !goes_on);
        }
    }
}
