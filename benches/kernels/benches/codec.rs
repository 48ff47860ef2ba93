//! Opus and G.711, 20 ms of a voice each.

use beluga_bench_kernels::{packets, voice};
use beluga_codec::{ALaw, Decoder, Encoder, MuLaw, OpusDecoder, OpusEncoder, OpusEncoderConfig};
use criterion::Criterion;
use std::hint::black_box;

fn measure(
    criterion: &mut Criterion,
    name: &str,
    encoder: &mut dyn Encoder,
    decoder: &mut dyn Decoder,
) {
    let sound = voice(encoder.sample_rate_hz());
    let frames: Vec<&[i16]> = sound.chunks_exact(encoder.frame_samples()).collect();
    let payloads = packets(encoder, &sound);
    let mut payload = vec![0; 1_500];
    let mut next = frames.iter().cycle();
    criterion.bench_function(&format!("codec/{name}/encode"), |bencher| {
        bencher.iter(|| {
            let frame = next.next().expect("frames without end");
            encoder.encode(black_box(frame), &mut payload)
        });
    });
    let mut pcm = vec![0; 5_760];
    let mut next = payloads.iter().cycle();
    criterion.bench_function(&format!("codec/{name}/decode"), |bencher| {
        bencher.iter(|| {
            let payload = next.next().expect("packets without end");
            decoder.decode(black_box(payload), &mut pcm)
        });
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for sample_rate_hz in [16_000, 48_000] {
        for complexity in [1, 5, 9] {
            let config = OpusEncoderConfig {
                sample_rate_hz,
                complexity,
                bitrate_bps: 24_000,
            };
            let mut encoder = OpusEncoder::new(config).expect("an allowed configuration");
            let mut decoder = OpusDecoder::new(sample_rate_hz).expect("an allowed rate");
            let name = format!("opus_{sample_rate_hz}_{complexity}");
            measure(&mut criterion, &name, &mut encoder, &mut decoder);
        }
    }
    measure(&mut criterion, "pcmu", &mut MuLaw::new(), &mut MuLaw::new());
    measure(&mut criterion, "pcma", &mut ALaw::new(), &mut ALaw::new());
    criterion.final_summary();
}
