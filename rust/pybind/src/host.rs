//! Who ticks: threads on the machine's clock, or somebody who says what time it is.

use crate::error::{error, invalid_config, invalid_state};
use crate::room::Room;
use beluga_engine::{Bell, Session, Shard, ShardCounters, TICK_MS, Wake};
use beluga_livekit::{RoomConfig, RtcPeers, room};
use beluga_runtime::{DriveError, OpenError, Place, Reach, Runtime, Trust};
use beluga_vad::Silero;
use beluga_webrtc::{ClockEpoch, Identity};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

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

/// Wakes the thread of a room once it has one; before that there is nobody to be woken.
#[derive(Debug, Default)]
struct LateWake(OnceLock<Arc<dyn Wake>>);

impl Wake for LateWake {
    fn wake(&self) {
        if let Some(wake) = self.0.get() {
            wake.wake();
        }
    }
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

    /// Joins a room, from now on: its events tell what comes of it.
    pub(crate) fn join(
        &self,
        config: RoomConfig,
        events: Bell,
        user_agent: String,
        ca_pem: Option<&[u8]>,
    ) -> PyResult<Room> {
        let Self::Threads(runtime) = self else {
            let message = "a room is joined in real time: this engine runs on a virtual clock";
            return Err(invalid_state(message));
        };
        let trust = match ca_pem {
            Some(pem) => Trust::with_pem(pem).map_err(|why| invalid_config("ca_pem", why))?,
            None => Trust::native(),
        };
        let identity = Identity::shared().map_err(|why| error("internal_error", why, ""))?;
        let (instant, us) = beluga_runtime::epoch();
        let epoch = ClockEpoch { instant, us };
        // The room is made before it has a thread: what is wrong with its address is said here.
        let late = Arc::new(LateWake::default());
        let peers = RtcPeers::new(epoch, identity, config.seed, late.clone());
        let (handle, room) = room(config, Box::new(peers), events, late.clone())
            .map_err(|why| error(why.code.as_str(), why, "url"))?;
        let reach = Reach { trust, user_agent };
        let place = runtime.drive(reach, |wake| {
            late.0.get_or_init(|| wake);
            Box::new(room)
        });
        let place = place.map_err(|why| {
            let code = match why {
                DriveError::Refused(OpenError::Unhealthy) | DriveError::NoThread(_) => {
                    "internal_error"
                }
                DriveError::Refused(_) | DriveError::Full { .. } => "session_limit_exceeded",
            };
            error(code, why, "")
        })?;
        Ok(Room::new(handle, place))
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
