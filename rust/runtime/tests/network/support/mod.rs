//! What the tests of this directory have in common: a wire that does as it is told, a peer that does as it is told, servers
//! that behave as servers do.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part"
)]

mod peer;
mod script;
mod server;

pub use peer::ScriptedPeer;
pub use script::{Script, Seen};
pub use server::{Authority, Behaviour, Heard, Server, pem};

use beluga_runtime::{Reach, Runtime, Trust};
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine that does a hundred other things.
pub const HANG: Duration = Duration::from_secs(90);

#[track_caller]
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(
            started.elapsed() < HANG,
            "{what}: this will not happen any more"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One shard of sixteen sessions.
pub fn runtime() -> Runtime {
    Runtime::start(1, 16, None).expect("a thread")
}

pub fn reach() -> Reach {
    Reach {
        trust: Trust::native(),
        user_agent: "beluga-test/1".to_owned(),
    }
}

pub fn reach_trusting(authority: &Authority) -> Reach {
    Reach {
        trust: Trust::with_pem(&authority.pem()).expect("a certificate"),
        ..reach()
    }
}
