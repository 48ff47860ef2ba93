//! Once made, a codec allocates nothing of Rust's (libopus works on its stack and in the state it was given).

use beluga_codec::{ALaw, Decoder, Encoder, MuLaw, OpusDecoder, OpusEncoder, OpusEncoderConfig};
use beluga_counting_alloc::{CountingAllocator, calls_of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn coding_allocates_nothing() {
    let config = OpusEncoderConfig {
        sample_rate_hz: 16_000,
        complexity: 5,
        bitrate_bps: 24_000,
    };
    let opus: (Box<dyn Encoder>, Box<dyn Decoder>) = (
        Box::new(OpusEncoder::new(config).expect("a valid configuration")),
        Box::new(OpusDecoder::new(48_000).expect("a valid rate")),
    );
    for (mut encoder, mut decoder) in [opus, (Box::new(MuLaw::new()), Box::new(ALaw::new()))] {
        let pcm = [1_000_i16; 320];
        let mut packet = [0; 400];
        let mut out = [0; 960];
        let counted = calls_of(|| {
            for _ in 0..10 {
                let frame = &pcm[..encoder.frame_samples()];
                let length = encoder.encode(frame, &mut packet).expect("a frame");
                decoder
                    .decode(&packet[..length], &mut out)
                    .expect("a packet");
                decoder.decode(&[], &mut out).expect_err("no packet");
                decoder.conceal(&mut out).expect("a multiple of 2.5 ms");
            }
            decoder.reset();
        });
        assert_eq!(counted, 0, "{encoder:?}");
    }
}
