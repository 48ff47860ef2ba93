//! Any bytes of a LiveKit server's, as signalling and as data, at any step of joining, calling and coming back.
#![no_main]

use beluga_fuzz::room_rules;
use beluga_fuzz::script::Script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| room_rules::check(Script::new(bytes)));
