//! Who ticks: threads on the machine's clock, or somebody who says what time it is.

use beluga_engine::{Session, Shard};
use beluga_runtime::{OpenError, Runtime};

/// What serves an engine's sessions.
pub(crate) enum Host {
    /// Shard threads, every 10 ms of real time.
    Threads(Runtime),
    /// One shard, ticked by hand: time is what its owner says.
    Stepped(Box<Shard>),
}

impl Host {
    /// Hands a session over; it is served from the next tick on.
    pub(crate) fn open(&mut self, session: Box<Session>) -> Result<(), OpenError> {
        match self {
            Self::Threads(runtime) => runtime.open(session),
            Self::Stepped(shard) => {
                let sessions = shard.len();
                shard.add(session).map_err(|_| OpenError::Full { sessions })
            }
        }
    }

    /// Sessions being served.
    pub(crate) fn sessions(&self) -> usize {
        match self {
            Self::Threads(runtime) => runtime.sessions(),
            Self::Stepped(shard) => shard.len(),
        }
    }

    /// Ends every session, and the threads.
    pub(crate) fn stop(self, now_us: u64) {
        match self {
            Self::Threads(runtime) => runtime.stop(),
            Self::Stepped(mut shard) => shard.close(now_us, &mut drop),
        }
    }
}
