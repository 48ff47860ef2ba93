//! Any packets at any time to a jitter buffer over mu-law.
#![no_main]

use beluga_codec::MuLaw;
use beluga_fuzz::jitter_rules;
use beluga_fuzz::script::Script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    jitter_rules::check(Script::new(bytes), || Box::new(MuLaw::new()), &[0; 160]);
});
