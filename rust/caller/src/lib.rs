//! Callers that cost next to nothing, so that one process holds a hundred of them and measures whoever answers.
//!
//! A caller is no session: a peer asks his [`Mouth`] for packets and brings packets to his [`Ear`], in the shard's tick. What he says
//! is a [`Tape`], encoded once and shared by all who say it. What he hears is not decoded: a packet is known by its size to be
//! sound or not, and by the kernel's time when it came. Of a caller who is sampled the packets are kept, to be decoded where no tick
//! waits: [`Hearing`] knows voices by their level, [`replay()`] gives what a session's jitter buffer and decoder make of them.

mod arrivals;
mod caller;
mod ear;
mod hearing;
mod mouth;
mod replay;
mod tape;
mod voices;

pub use caller::{Busy, Caller, CallerConfig, CallerCounters, Silence, caller};
pub use ear::{Ear, Kept};
pub use hearing::Hearing;
pub use mouth::{Mouth, Said};
pub use replay::{ReplayError, Replayed, replay};
pub use tape::{Tape, TapeError};
pub use voices::{Heard, Voice};
