//! Any packets to the decoders of G.711.
#![no_main]

use beluga_codec::{ALaw, MuLaw};
use beluga_fuzz::decoder_rules;
use beluga_fuzz::script::Script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    decoder_rules::check(Script::new(bytes), &mut MuLaw::new());
    decoder_rules::check(Script::new(bytes), &mut ALaw::new());
});
