//! Once made, a codec allocates nothing of Rust's (libopus works on its stack and in the state it was given).
#![expect(
    unsafe_code,
    reason = "a counting allocator has to implement GlobalAlloc"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use beluga_codec::{ALaw, Decoder, Encoder, MuLaw, OpusDecoder, OpusEncoder, OpusEncoderConfig};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting by thread: tests run beside each other.
struct Counting;

// SAFETY: every call is handed to `System` as it came; the counter neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is `System`'s too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: `pointer` came from `System` by way of `alloc`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 2);
}

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
        let counted = allocations(|| {
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
