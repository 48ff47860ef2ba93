//! Who ticks: threads on the machine's clock, or somebody who says what time it is.

use beluga_engine::{Session, Shard, ShardCounters, TICK_MS};
use beluga_runtime::{OpenError, Place, Runtime};
use beluga_vad::Silero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const TICK_US: u64 = TICK_MS as u64 * 1_000;

/// What serves an engine's sessions.
pub(crate) enum Host {
    /// Shard threads, every 10 ms of real time.
    Threads(Runtime),
    /// One shard on a virtual clock.
    Stepped(Box<Stepped>),
}

/// The clock that a host's packets and events are stamped by.
#[derive(Clone)]
pub(crate) enum Clock {
    /// The machine's.
    Machine,
    /// As told, in microseconds.
    Told(Arc<AtomicU64>),
}

/// A shard that is ticked by whoever owns it: hours in seconds, and the same twice.
pub(crate) struct Stepped {
    shard: Shard,
    max_sessions: usize,
    now_us: Arc<AtomicU64>,
    /// When the next tick is due, while there is a session.
    due_us: u64,
}

impl Clock {
    pub(crate) fn now_us(&self) -> u64 {
        match self {
            Self::Machine => beluga_runtime::now_us(),
            Self::Told(now_us) => now_us.load(Ordering::Relaxed),
        }
    }
}

impl Host {
    /// Hands a session over; it is served from the next tick on.
    pub(crate) fn open(&mut self, session: Box<Session>) -> Result<(), OpenError> {
        match self {
            Self::Threads(runtime) => runtime.open(session),
            Self::Stepped(stepped) => stepped.open(session),
        }
    }

    /// Hands a session to the shard of its room.
    pub(crate) fn open_at(&mut self, place: Place, session: Box<Session>) -> Result<(), OpenError> {
        match self {
            Self::Threads(runtime) => runtime.open_at(place, session),
            // Nobody has a place here: rooms need threads.
            Self::Stepped(stepped) => stepped.open(session),
        }
    }

    /// Sessions being served.
    pub(crate) fn sessions(&self) -> usize {
        match self {
            Self::Threads(runtime) => runtime.sessions(),
            Self::Stepped(stepped) => stepped.shard.len(),
        }
    }

    /// Whether every shard lives.
    pub(crate) fn is_healthy(&self) -> bool {
        match self {
            Self::Threads(runtime) => runtime.is_healthy(),
            Self::Stepped(_) => true,
        }
    }

    /// What each shard did.
    pub(crate) fn counters(&self) -> Box<dyn Iterator<Item = &ShardCounters> + '_> {
        match self {
            Self::Threads(runtime) => {
                runtime.reap();
                Box::new(runtime.counters())
            }
            Self::Stepped(stepped) => Box::new(std::iter::once(stepped.shard.counters().as_ref())),
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        match self {
            Self::Threads(_) => Clock::Machine,
            Self::Stepped(stepped) => Clock::Told(stepped.now_us.clone()),
        }
    }

    /// Ends every session, and the threads.
    pub(crate) fn stop(self) {
        match self {
            Self::Threads(runtime) => runtime.stop(),
            Self::Stepped(mut stepped) => stepped.stop(),
        }
    }
}

impl Stepped {
    pub(crate) fn new(now_us: u64, max_sessions: usize, model: Option<Arc<Silero>>) -> Self {
        Self {
            shard: Shard::new(model, max_sessions),
            max_sessions,
            now_us: Arc::new(AtomicU64::new(now_us)),
            due_us: now_us,
        }
    }

    /// Serves every tick that is due until `until_us`, or until one of them told a loop to look; says what time it is.
    pub(crate) fn advance(&mut self, until_us: u64) -> u64 {
        let mut now_us = self.now_us.load(Ordering::Relaxed);
        while !self.shard.is_empty() && self.due_us <= until_us {
            now_us = self.due_us;
            self.due_us += TICK_US;
            self.now_us.store(now_us, Ordering::Relaxed);
            if self.shard.tick(now_us, &mut drop) {
                return now_us;
            }
        }
        now_us = now_us.max(until_us);
        self.now_us.store(now_us, Ordering::Relaxed);
        now_us
    }

    fn open(&mut self, session: Box<Session>) -> Result<(), OpenError> {
        if self.shard.is_empty() {
            self.due_us = self.now_us.load(Ordering::Relaxed) + TICK_US;
        }
        let sessions = self.max_sessions;
        self.shard
            .add(session)
            .map_err(|_| OpenError::Full { sessions })
    }

    fn stop(&mut self) {
        self.shard
            .close(self.now_us.load(Ordering::Relaxed), &mut drop);
    }
}
