//! A packet's way in: to the queue, to the jitter buffer, and its sound out of it. And its way out: encoded, or left out.

use beluga_bench_kernels::{packets, voice};
use beluga_codec::{OpusDecoder, OpusEncoder, OpusEncoderConfig};
use beluga_engine::{
    Age, Counters, EAR_FRAME_SAMPLES, InDoor, OutDoor, SendTime, packet_in, packet_out,
};
use beluga_jitter::{DelayBounds, JitterBuffer, JitterConfig, Packet};
use criterion::{BatchSize, Criterion};
use std::hint::black_box;

const RTP_STEP: u32 = 960;

fn encoder() -> OpusEncoder {
    let config = OpusEncoderConfig {
        sample_rate_hz: 16_000,
        complexity: 5,
        bitrate_bps: 24_000,
    };
    OpusEncoder::new(config).expect("an allowed configuration")
}

fn opus() -> Vec<Vec<u8>> {
    packets(&mut encoder(), &voice(16_000))
}

fn decoder() -> Box<OpusDecoder> {
    Box::new(OpusDecoder::new(16_000).expect("an allowed rate"))
}

/// A buffer that is played from, with a packet less than it will have.
struct Playing {
    buffer: JitterBuffer,
    payloads: Vec<Vec<u8>>,
    index: u32,
    now_us: u64,
    pcm: Vec<i16>,
}

impl Playing {
    fn new() -> Self {
        let config = JitterConfig {
            delay: DelayBounds::default(),
            capacity_packets: 64,
            rtp_clock_hz: 48_000,
        };
        let buffer = JitterBuffer::new(config, decoder()).expect("an allowed configuration");
        let pcm = vec![0; buffer.frame_samples()];
        let mut playing = Self {
            buffer,
            payloads: opus(),
            index: 0,
            now_us: 0,
            pcm,
        };
        for _ in 0..50 {
            playing.push();
            playing.pull();
            playing.pull();
        }
        playing
    }

    fn push(&mut self) {
        let payload = &self.payloads[self.index as usize % self.payloads.len()];
        let packet = Packet {
            arrival_us: self.now_us,
            sequence: self.index as u16,
            timestamp: self.index.wrapping_mul(RTP_STEP),
            ssrc: 1,
            payload,
        };
        black_box(self.buffer.push(black_box(packet)));
        self.index += 1;
    }

    fn pull(&mut self) {
        black_box(self.buffer.pull(self.now_us, &mut self.pcm));
        self.now_us += 10_000;
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut playing = Playing::new();
    // With the two pulls that a packet of 20 ms is for, decoded by Opus on the first.
    criterion.bench_function("jitter/push_pull_pull", |bencher| {
        bencher.iter(|| {
            playing.push();
            playing.pull();
            playing.pull();
        });
    });
    // The packet's part alone: a buffer on its way is made outside of what is timed.
    criterion.bench_function("jitter/push", |bencher| {
        bencher.iter_batched_ref(Playing::new, Playing::push, BatchSize::PerIteration);
    });
    door(&mut criterion);
    way_out(&mut criterion, "out/speaking", &voice(16_000));
    way_out(&mut criterion, "out/silent", &[0; 16_000]);
    criterion.final_summary();
}

/// The door as a shard sees it: 10 ms to the 16 kHz ring, of which every second decodes a packet.
fn door(criterion: &mut Criterion) {
    let payloads = opus();
    let (mut writer, mut door) =
        packet_in(decoder(), 48_000, DelayBounds::default()).expect("an allowed configuration");
    let counters = Counters::default();
    let mut frame = [0.0; EAR_FRAME_SAMPLES];
    let (mut index, mut now_us) = (0_u32, 0_u64);
    criterion.bench_function("door/push_pull_pull", |bencher| {
        bencher.iter(|| {
            let payload = &payloads[index as usize % payloads.len()];
            let pushed = writer.push(Packet {
                arrival_us: now_us,
                sequence: index as u16,
                timestamp: index.wrapping_mul(RTP_STEP),
                ssrc: 1,
                payload,
            });
            assert_eq!(pushed, Ok(true));
            for _ in 0..2 {
                black_box(door.pull(now_us, &mut frame, &counters));
                now_us += 10_000;
            }
            index += 1;
        });
    });
}

/// Two ticks of the door to a caller: a frame of 20 ms is full in the second.
fn way_out(criterion: &mut Criterion, name: &str, sound: &[i16]) {
    let (mut reader, mut door, _) = packet_out(Box::new(encoder()), 48_000, 0);
    let (counters, age_us) = (Counters::default(), Age::default());
    let mut frames = sound.chunks_exact(160).cycle();
    let mut due_us = 0;
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            for frame in frames.by_ref().take(2) {
                due_us += 10_000;
                let time = SendTime {
                    due_us,
                    now_us: due_us,
                };
                black_box(door.send(black_box(frame), time, &counters));
            }
            while let Some(packet) = reader.pop(due_us, &age_us) {
                black_box(packet);
            }
        });
    });
}
