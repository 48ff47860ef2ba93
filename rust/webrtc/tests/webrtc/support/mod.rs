//! A peer of ours and one made of plain str0m, joined by a network in memory, on a clock that only the test moves.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part"
)]

mod call;
mod doors;
mod far;

pub use call::{Call, Options, section};
pub use doors::payload;
