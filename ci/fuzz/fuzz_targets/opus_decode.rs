//! Any packets to the Opus decoder, at any of its rates: the place of a rate u8, then steps.
#![no_main]

use beluga_codec::OpusDecoder;
use beluga_fuzz::decoder_rules::{self, OPUS_RATES_HZ};
use beluga_fuzz::script::Script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let rate = usize::from(script.byte().unwrap_or(0)) % OPUS_RATES_HZ.len();
    let mut decoder = OpusDecoder::new(OPUS_RATES_HZ[rate]).expect("a decoder");
    decoder_rules::check(script, &mut decoder);
});
