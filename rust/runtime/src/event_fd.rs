//! Wakes an event loop through a descriptor that it polls.

use beluga_engine::Wake;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

/// An eventfd: readable from `wake` until `clear`.
/// Clones are the same descriptor.
#[derive(Debug, Clone)]
pub struct EventFd(Arc<OwnedFd>);

impl EventFd {
    /// A descriptor that is not readable yet, closed on exec.
    ///
    /// # Errors
    /// The system's, when it has no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?)))
    }

    /// The descriptor, for polling only.
    #[must_use]
    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Makes it unreadable.
    pub fn clear(&self) {
        // Would-block means that it was clear already.
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Wake for EventFd {
    fn wake(&self) {
        // Would-block means 2^64 - 2 unread wake-ups: the loop is awake by any measure.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}
