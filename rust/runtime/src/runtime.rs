//! All shards of a process, and the thread of their signalling.

use crate::network_counters::NetworkCounters;
use crate::reach::Reach;
use crate::shard_thread::{Mailbox, ShardThread, WirePlace};
use crate::signal_thread::{SignalHandle, SignalThread};
use beluga_engine::{Session, ShardCounters, Wake, Wire};
use beluga_vad::Silero;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a session was not taken on, or a wire not driven.
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
    /// A thread has died; the process is about to end.
    #[error("the engine has failed and this process is ending")]
    Unhealthy,
}

/// Why a wire is not driven.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// No shard takes another call on.
    #[error(transparent)]
    Refused(#[from] OpenError),
    /// As many wires are driven as sessions are allowed.
    #[error("{wires} connections are open, as many as this process may have")]
    Full {
        /// Wires being driven.
        wires: usize,
    },
    /// The signalling thread could not be started.
    #[error("no thread for signalling: {0}")]
    NoThread(std::io::Error),
}

/// The shard that a wire's peers are driven on and that its sessions are to be opened on, of the runtime that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(usize);

/// The shard threads, and from the first wire on the signalling thread.
#[derive(Debug)]
pub struct Runtime {
    shards: Vec<ShardThread>,
    signal: Mutex<Option<SignalThread>>,
    network: Arc<NetworkCounters>,
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
        Ok(Self {
            shards,
            signal: Mutex::default(),
            network: Arc::default(),
        })
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
                .mailboxes()
                .filter(|shard| shard.has_room() && shard.has_time())
                .min_by_key(|shard| shard.load() + shard.wires());
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

    /// Hands a session to the shard of its wire: what both share crosses no thread.
    ///
    /// # Errors
    /// [`OpenError`], of that shard; the session is dropped.
    ///
    /// # Panics
    /// If `place` is of another runtime, with more shards.
    pub fn open_at(&self, place: Place, session: Box<Session>) -> Result<(), OpenError> {
        self.reap();
        if !self.is_healthy() {
            return Err(OpenError::Unhealthy);
        }
        let shard = self.shards[place.0].mailbox();
        let sessions = self.sessions();
        if !shard.has_time() && shard.has_room() {
            return Err(OpenError::Overloaded { sessions });
        }
        shard.add(session).map_err(|_| OpenError::Full { sessions })
    }

    /// Drives a wire on the signalling thread, which is started when it is first needed, until the wire is over.
    ///
    /// `wire` makes it, on the thread of the caller, from what makes the signalling thread advance it: to be called by
    /// whoever puts something into the wire's queues, from any thread. It neither allocates nor waits.
    ///
    /// # Errors
    /// [`DriveError`]; then `wire` is not called.
    pub fn drive(
        &self,
        reach: Reach,
        wire: impl FnOnce(Arc<dyn Wake>) -> Box<dyn Wire>,
    ) -> Result<Place, DriveError> {
        self.reap();
        if !self.is_healthy() {
            return Err(OpenError::Unhealthy.into());
        }
        let (place, reserved) = self.place()?;
        self.signalling()
            .map_err(DriveError::NoThread)?
            .drive(reach, reserved, wire);
        Ok(place)
    }

    fn signalling(&self) -> std::io::Result<SignalHandle> {
        let mut signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = match &mut *signal {
            Some(thread) => thread,
            none => {
                let shards = self.mailboxes().cloned().collect();
                none.insert(SignalThread::start(shards, self.network.clone())?)
            }
        };
        Ok(thread.handle())
    }

    /// Frees sessions and connections that are over. Call it now and then from a thread whose time is cheap.
    pub fn reap(&self) {
        self.mailboxes().for_each(|shard| shard.reap());
    }

    /// Sessions being served.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.mailboxes().map(|shard| shard.load()).sum()
    }

    /// Wires being driven.
    #[must_use]
    pub fn wires(&self) -> usize {
        self.mailboxes().map(|shard| shard.wires()).sum()
    }

    /// Whether every thread lives.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner);
        self.mailboxes().all(|shard| shard.is_healthy())
            && signal.as_ref().is_none_or(SignalThread::is_healthy)
    }

    /// What each shard did.
    pub fn counters(&self) -> impl Iterator<Item = &ShardCounters> {
        self.mailboxes().map(|shard| shard.counters())
    }

    /// What the signalling thread and the sockets of all peers did.
    #[must_use]
    pub fn network(&self) -> &NetworkCounters {
        &self.network
    }

    fn mailboxes(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.shards.iter().map(ShardThread::mailbox)
    }

    /// A place on the shard that has least to do.
    fn place(&self) -> Result<(Place, WirePlace), DriveError> {
        loop {
            let free = self
                .mailboxes()
                .enumerate()
                .filter(|(_, shard)| shard.has_room_for_wire() && shard.has_time())
                .min_by_key(|(_, shard)| shard.load() + shard.wires());
            let Some((index, shard)) = free else {
                return Err(self.refusal_of_wire());
            };
            if let Some(reserved) = shard.place() {
                return Ok((Place(index), reserved));
            }
        }
    }

    fn refusal(&self) -> OpenError {
        let sessions = self.sessions();
        if self.mailboxes().any(|shard| shard.has_room()) {
            OpenError::Overloaded { sessions }
        } else {
            OpenError::Full { sessions }
        }
    }

    fn refusal_of_wire(&self) -> DriveError {
        if self.mailboxes().any(|shard| shard.has_room_for_wire()) {
            let sessions = self.sessions();
            return OpenError::Overloaded { sessions }.into();
        }
        if self.mailboxes().any(|shard| shard.has_room()) {
            let wires = self.wires();
            return DriveError::Full { wires };
        }
        self.refusal().into()
    }

    /// Lets the wires leave (300 ms at most), ends all sessions and joins the threads; the same as dropping it.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let signal = self
            .signal
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        // First: goodbyes of peers are sent by their shards.
        drop(signal.take());
        // All are told before one is waited for: together they end within a tick.
        self.shards.iter().for_each(ShardThread::ask_to_stop);
        self.shards.iter_mut().for_each(ShardThread::join);
    }
}
