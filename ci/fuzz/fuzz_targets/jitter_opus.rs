//! Any packets at any time to a jitter buffer over Opus, at any of its rates: the place of a rate u8, then the script.
#![no_main]

use beluga_codec::OpusDecoder;
use beluga_fuzz::decoder_rules::OPUS_RATES_HZ;
use beluga_fuzz::jitter_rules;
use beluga_fuzz::script::Script;

/// One frame of 20 ms of narrowband CELT, all of whose bits are 0.
const GOOD: &[u8] = &[0x98, 0, 0, 0, 0, 0, 0, 0];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let rate = usize::from(script.byte().unwrap_or(0)) % OPUS_RATES_HZ.len();
    let decoder = || OpusDecoder::new(OPUS_RATES_HZ[rate]).expect("a decoder");
    jitter_rules::check(script, || Box::new(decoder()), GOOD);
});
