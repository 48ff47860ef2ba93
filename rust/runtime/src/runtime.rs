//! All shards of a process.

use crate::shard_thread::ShardThread;
use beluga_engine::{Session, ShardCounters};
use beluga_vad::Silero;
use std::sync::Arc;

/// Why a session was not taken on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Every shard serves as many sessions as it may.
    #[error("{sessions} sessions are open, as many as this process may serve")]
    Full {
        /// Sessions being served.
        sessions: usize,
    },
    /// There are places, and no time for another call.
    #[error(
        "this machine is overloaded: {sessions} sessions keep it at work for over 70 % of the time; \
         open the call in another process or on another machine, or try again when some have ended"
    )]
    Overloaded {
        /// Sessions being served.
        sessions: usize,
    },
    /// A shard has died; the process is about to end.
    #[error("the engine has failed and this process is ending")]
    Unhealthy,
}

/// The shard threads.
#[derive(Debug)]
pub struct Runtime {
    shards: Vec<ShardThread>,
}

impl Runtime {
    /// Starts `shards` threads of at most `max_sessions_per_shard` sessions each (both at least 1); they sleep until there
    /// is one.
    ///
    /// # Errors
    /// The system's, when a thread cannot be started.
    pub fn start(
        shards: usize,
        max_sessions_per_shard: usize,
        model: Option<Arc<Silero>>,
    ) -> std::io::Result<Self> {
        let shards = (0..shards.max(1))
            .map(|index| ShardThread::start(index, model.clone(), max_sessions_per_shard.max(1)))
            .collect::<Result<_, _>>()?;
        Ok(Self { shards })
    }

    /// Hands a session to the shard that serves fewest.
    ///
    /// # Errors
    /// [`OpenError`]; the session is dropped.
    pub fn open(&self, session: Box<Session>) -> Result<(), OpenError> {
        self.reap();
        if !self.is_healthy() {
            return Err(OpenError::Unhealthy);
        }
        let mut session = session;
        loop {
            let free = self
                .shards
                .iter()
                .filter(|shard| shard.has_room() && shard.has_time())
                .min_by_key(|shard| shard.load());
            let Some(shard) = free else {
                return Err(self.refusal());
            };
            // Somebody else may have taken the last place meanwhile: look again.
            match shard.add(session) {
                Ok(()) => return Ok(()),
                Err(back) => session = back,
            }
        }
    }

    /// Frees sessions that are over. Call it now and then from a thread whose time is cheap.
    pub fn reap(&self) {
        self.shards.iter().for_each(ShardThread::reap);
    }

    /// Sessions being served.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shards.iter().map(ShardThread::load).sum()
    }

    /// Whether every shard lives.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.shards.iter().all(ShardThread::is_healthy)
    }

    /// What each shard did.
    pub fn counters(&self) -> impl Iterator<Item = &ShardCounters> {
        self.shards.iter().map(ShardThread::counters)
    }

    fn refusal(&self) -> OpenError {
        let sessions = self.sessions();
        if self.shards.iter().any(ShardThread::has_room) {
            OpenError::Overloaded { sessions }
        } else {
            OpenError::Full { sessions }
        }
    }

    /// Ends all sessions and joins the threads; the same as dropping it.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // All are told before one is waited for: together they end within a tick.
        self.shards.iter().for_each(ShardThread::ask_to_stop);
        self.shards.iter_mut().for_each(ShardThread::join);
    }
}
