//! Callers that cost next to nothing, so that one process holds a hundred of them and measures whoever answers.
//!
//! A caller is no session: a peer asks his [`Mouth`] for packets and brings packets to his [`Ear`], in the shard's tick. What he says
//! is a [`Tape`], encoded once and shared by all who say it. What he hears is not decoded: each packet is known by its size to be
//! sound or silence, and by the kernel's time when it came. Of a caller who is sampled the packets are kept, and what he heard is
//! made of them afterwards ([`replay`]), by the jitter buffer and the decoder that a session has.

mod arrivals;
mod caller;
mod ear;
mod mouth;
mod replay;
mod tape;

pub use caller::{Busy, Caller, CallerConfig, CallerCounters, Silence, caller};
pub use ear::{Ear, Heard, Kept, Voice};
pub use mouth::{Mouth, Said};
pub use replay::{ReplayError, Replayed, replay};
pub use tape::{FRAME_US, Tape, TapeError};
