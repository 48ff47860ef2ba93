//! Shard threads: the only crate that reads a clock or opens a descriptor.

mod cgroup;
mod clock;
mod event_fd;
mod runtime;
mod shard_thread;

pub use cgroup::{Throttling, throttling};
pub use clock::now_us;
pub use event_fd::EventFd;
pub use runtime::{OpenError, Runtime};
