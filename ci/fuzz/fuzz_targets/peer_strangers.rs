//! Any answers, candidates and datagrams to a WebRTC peer.
#![no_main]

use beluga_fuzz::peer_rules;
use beluga_fuzz::script::Script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peer_rules::check(Script::new(bytes)));
