//! The agent's sound as packets: when they are made, how they are numbered, what is heard of them, what is lost and counted.
//! What is sent of silence is in `talk_spurts.rs`.

use crate::common::call::{UNINTERRUPTIBLE, config};
use beluga_codec::{
    CodecError, Decoder, Effort, Encoder, MuLaw, OpusDecoder, OpusEncoder, OpusEncoderConfig,
};
use beluga_engine::{
    Bells, EncodedPacket, PACKET_OUT_CAPACITY, PacketReader, Ready, SessionHandles, Shard, Vad,
    Wake, packet_out, pcm_in, session,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// A shard of calls whose agents' sound goes out as packets.
struct Line {
    shard: Shard,
    calls: Vec<(PacketReader, SessionHandles)>,
    due_us: u64,
}

impl Line {
    fn new(encoders: Vec<Box<dyn Encoder>>, rtp_clock_hz: u32) -> Self {
        let mut shard = Shard::new(None, encoders.len());
        let calls = encoders
            .into_iter()
            .enumerate()
            .map(|(phase, encoder)| {
                let (_, input) = pcm_in(16_000).expect("a rate");
                let (reader, door, ring) = packet_out(encoder, rtp_clock_hz, phase);
                let bell = Bells::new(Box::new(Nobody)).bell();
                let (session, handles) = session(
                    config(Vad::Energy),
                    Box::new(input),
                    Box::new(door),
                    ring,
                    bell,
                )
                .expect("a configuration");
                shard.add(session).expect("room");
                (reader, handles)
            })
            .collect();
        Self {
            shard,
            calls,
            due_us: 0,
        }
    }

    fn say(&mut self, sound: &[i16], rate_hz: u32) {
        for (_, handles) in &mut self.calls {
            handles.mouth.begin(UNINTERRUPTIBLE).expect("none is open");
            let taken = handles.mouth.write(sound, rate_hz).expect("a rate");
            assert_eq!(taken, sound.len());
            handles.mouth.end().expect("room");
        }
    }

    /// One tick, `late_us` late; what each call's sender finds after it.
    fn tick(&mut self, late_us: u64) -> Vec<Vec<EncodedPacket>> {
        self.tick_unread(late_us);
        let now_us = self.due_us + late_us;
        self.calls
            .iter_mut()
            .map(|(reader, handles)| {
                let age_us = &handles.shared.counters.frame_age_out_us;
                std::iter::from_fn(|| reader.pop(now_us, age_us)).collect()
            })
            .collect()
    }

    fn tick_unread(&mut self, late_us: u64) {
        self.due_us += 10_000;
        let now_us = self.due_us + late_us;
        self.shard.tick_owed(self.due_us, &|| now_us, &mut |_| {});
    }
}

fn opus() -> Box<dyn Encoder> {
    let config = OpusEncoderConfig {
        sample_rate_hz: 16_000,
        complexity: 5,
        bitrate_bps: 24_000,
    };
    Box::new(OpusEncoder::new(config).expect("a configuration"))
}

fn tone(samples: usize, rate_hz: f64) -> Vec<i16> {
    let turn = |n: usize| (n as f64 * 440.0 * std::f64::consts::TAU / rate_hz).sin();
    (0..samples).map(|n| (8_000.0 * turn(n)) as i16).collect()
}

#[test]
fn half_of_the_calls_are_encoded_in_each_tick_and_each_ones_packets_keep_their_spacing() {
    let mut line = Line::new((0..5).map(|_| opus()).collect(), 48_000);
    line.say(&tone(8_000, 16_000.0), 16_000);
    let mut packets: Vec<Vec<(u64, EncodedPacket)>> = vec![Vec::new(); 5];
    for tick in 1..=40 {
        let sent = line.tick(0);
        let encoded = sent.iter().filter(|packets| !packets.is_empty()).count();
        assert!([2, 3].contains(&encoded), "{encoded} of 5 in tick {tick}");
        for (call, sent) in sent.into_iter().enumerate() {
            assert!(sent.len() <= 1);
            packets[call].extend(sent.into_iter().map(|packet| (tick, packet)));
        }
    }
    for packets in &packets {
        assert_eq!(packets.len(), 20);
        for (index, (tick, packet)) in packets.iter().enumerate() {
            assert_eq!(*tick, packets[0].0 + 2 * index as u64);
            assert_eq!(u64::from(packet.sequence), index as u64);
            assert_eq!(packet.timestamp, 960 * index as u32);
            assert_eq!(packet.marker, index == 0);
            assert_eq!(packet.due_us, tick * 10_000);
        }
    }
    for (_, handles) in &line.calls {
        assert_eq!(handles.shared.counters.packets_out_dropped.get(), 0);
        assert_eq!(handles.shared.counters.frame_age_out_us.get(), (20, 0, 0));
    }
}

#[test]
fn what_is_decoded_is_what_was_said() {
    let mut line = Line::new(vec![opus(), opus()], 48_000);
    let said = tone(16_000, 16_000.0);
    line.say(&said, 16_000);
    let mut heard = vec![vec![0; 19_200]; 2];
    let mut decoders = [(); 2].map(|()| OpusDecoder::new(16_000).expect("a rate"));
    for _ in 0..120 {
        for (call, packets) in line.tick(0).into_iter().enumerate() {
            for packet in packets {
                let mut pcm = [0; 320];
                let len = decoders[call]
                    .decode(packet.payload(), &mut pcm)
                    .expect("a packet");
                let at = packet.timestamp as usize / 3;
                heard[call][at..at + len].copy_from_slice(&pcm[..len]);
            }
        }
    }
    for heard in heard {
        let level = |sound: &[i16]| {
            let power: f64 = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum();
            (power / sound.len() as f64).sqrt()
        };
        let (loud, said) = (level(&heard[3_200..12_800]), level(&said[3_200..12_800]));
        assert!((loud / said - 1.0).abs() < 0.1, "{loud} for {said}");
        assert!(level(&heard[17_600..]) < 50.0);
    }
}

#[test]
fn telephone_codecs_are_exact_and_the_recorder_hears_the_same() {
    let mut line = Line::new(vec![Box::new(MuLaw::new())], 8_000);
    let said = tone(8_000, 8_000.0);
    line.say(&said, 8_000);
    let (mut heard, mut recorded) = (Vec::new(), Vec::new());
    for _ in 0..110 {
        let packets = line.tick(0).remove(0);
        let mut frame = [0; 80];
        let out = &line.calls[0].1.shared.out;
        let read = out.read(recorded.len() as u64, &mut frame);
        recorded.extend_from_slice(&frame[..read.len]);
        for packet in packets {
            let mut pcm = [0; 160];
            MuLaw::new()
                .decode(packet.payload(), &mut pcm)
                .expect("a packet");
            assert_eq!(packet.timestamp as usize, heard.len());
            heard.extend_from_slice(&pcm);
        }
    }
    let start = heard
        .iter()
        .position(|&sample| sample.abs() > 100)
        .expect("sound");
    assert!(start < 160, "{start}");
    assert_eq!(recorded[..8_000], said);
}

#[test]
fn frames_that_are_skipped_leave_a_gap_in_time_and_none_in_number() {
    let mut line = Line::new(vec![opus(), opus()], 48_000);
    line.say(&tone(8_000, 16_000.0), 16_000);
    let mut packets: Vec<Vec<EncodedPacket>> = vec![Vec::new(); 2];
    for tick in 1..=40 {
        // Six ticks are owed for too long.
        let late_us = if (11..=16).contains(&tick) { 25_000 } else { 0 };
        for (call, sent) in line.tick(late_us).into_iter().enumerate() {
            packets[call].extend(sent);
        }
    }
    for (call, packets) in packets.iter().enumerate() {
        assert_eq!(packets.len(), 17, "three of twenty are skipped");
        let gaps: Vec<_> = packets
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair[1].timestamp - pair[0].timestamp != 960)
            .map(|(index, pair)| (index, pair[1].timestamp - pair[0].timestamp))
            .collect();
        let [(before, 3_840)] = gaps[..] else {
            panic!("{gaps:?}")
        };
        for (index, packet) in packets.iter().enumerate() {
            assert_eq!(usize::from(packet.sequence), index);
            assert_eq!(packet.marker, index == 0 || index == before + 1);
        }
        let counters = &line.calls[call].1.shared.counters;
        assert_eq!(counters.frames_skipped.get(), 6);
        assert_eq!(counters.frame_age_out_us.get(), (17, 0, 0));
    }
}

#[test]
fn a_sender_who_is_too_slow_loses_the_newest_which_is_counted_and_shows_in_the_numbers() {
    let mut line = Line::new(vec![opus()], 48_000);
    line.say(&tone(16_000, 16_000.0), 16_000);
    let capacity = PACKET_OUT_CAPACITY as u64;
    (0..2 * (capacity + 5)).for_each(|_| line.tick_unread(0));
    let (_, handles) = &line.calls[0];
    let counters = &handles.shared.counters;
    assert_eq!(counters.packets_out_dropped.get(), 5);
    let readings = counters.snapshot();
    let waiting = |name: &str| {
        readings
            .iter()
            .find(|(known, _)| known == name)
            .expect("it")
            .1
    };
    assert_eq!(waiting("packets_out_waiting"), capacity);
    let mut packets = line.tick(0).remove(0);
    packets.extend(line.tick(0).remove(0));
    assert_eq!(packets.len() as u64, capacity + 1);
    assert_eq!(packets[capacity as usize].sequence as u64, capacity + 5);
    let (_, _, oldest_us) = line.calls[0].1.shared.counters.frame_age_out_us.get();
    assert!(oldest_us >= 640_000);
}

#[test]
fn who_waits_for_a_packet_is_told_once() {
    let mut line = Line::new(vec![opus()], 48_000);
    line.tick(0);
    line.tick(0);
    assert!(!line.calls[0].0.want());
    line.tick_unread(0);
    line.tick_unread(0);
    let (reader, handles) = &mut line.calls[0];
    assert_eq!(
        handles.shared.take_ready().collect::<Vec<_>>(),
        [Ready::Packets]
    );
    assert!(reader.want(), "it is there");
    line.tick_unread(0);
    line.tick_unread(0);
    assert_eq!(line.calls[0].1.shared.take_ready().count(), 0);
}

/// Notes with which effort it encodes.
#[derive(Debug)]
struct Watched {
    inner: MuLaw,
    effort: Arc<AtomicU8>,
}

impl Encoder for Watched {
    fn sample_rate_hz(&self) -> u32 {
        Encoder::sample_rate_hz(&self.inner)
    }

    fn frame_samples(&self) -> usize {
        self.inner.frame_samples()
    }

    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        self.inner.encode(pcm, out)
    }

    fn set_effort(&mut self, effort: Effort) {
        self.effort.store(effort as u8, Ordering::Relaxed);
    }
}

#[test]
fn an_overloaded_shard_has_its_codecs_save_until_it_has_time_again() {
    let effort = Arc::new(AtomicU8::new(0));
    let watched = Watched {
        inner: MuLaw::new(),
        effort: effort.clone(),
    };
    let mut line = Line::new(vec![Box::new(watched)], 8_000);
    let mut tick = |work_us: u64| {
        line.due_us += 10_000;
        let asked = std::cell::Cell::new(0);
        let due_us = line.due_us;
        // The clock is asked first when the tick begins; all that follows is after its work.
        let clock = || due_us + if asked.replace(1) == 0 { 0 } else { work_us };
        line.shard.tick_owed(due_us, &clock, &mut |_| {});
        effort.load(Ordering::Relaxed)
    };
    assert!((0..200).all(|_| tick(8_000) == Effort::Configured as u8));
    let saves = (0..200).map(|_| tick(9_500)).collect::<Vec<_>>();
    assert_eq!(saves.last(), Some(&(Effort::Least as u8)));
    let saves = (0..200).map(|_| tick(1_000)).collect::<Vec<_>>();
    assert_eq!(saves.last(), Some(&(Effort::Configured as u8)));
}
