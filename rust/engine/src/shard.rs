//! Many sessions, one tick: the windows of all are judged together. Beside them the peers that their packets come from and go to.

use crate::connection::Connection;
use crate::overload::{OverloadLadder, OverloadStep};
use crate::peer::Urgency;
use crate::session::{Sending, Session};
use crate::shard_counters::ShardCounters;
use crate::time::TICK_MS;
use beluga_codec::Effort;
use beluga_vad::{Silero, SileroBatch};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Windows judged in one pass: enough to reuse the weights, few enough to stay in the cache.
const BATCH_LANES: usize = 32;
const TICK_US: u64 = TICK_MS as u64 * 1_000;

/// Peers for each session that there is room for: while a peer takes another's place there are two.
const PEERS_PER_SESSION: usize = 2;

/// What a shard has no more to do with. Freeing it takes time that a tick does not have.
#[derive(Debug)]
pub enum Retired {
    /// A session that is over.
    Session(Box<Session>),
    /// A connection that is over.
    Connection(Connection),
}

/// All sessions of one thread, and the connections that it drives beside them. It reads no clock: the thread tells it the time.
#[derive(Debug)]
pub struct Shard {
    sessions: Vec<Box<Session>>,
    max_sessions: usize,
    connections: Vec<Connection>,
    model: Option<Arc<Silero>>,
    batch: SileroBatch,
    lanes: Vec<usize>,
    ladder: OverloadLadder,
    counters: Arc<ShardCounters>,
}

impl Shard {
    /// An empty shard. Without a model, sessions that ask for Silero hear nothing.
    #[must_use]
    pub fn new(model: Option<Arc<Silero>>, max_sessions: usize) -> Self {
        Self {
            sessions: Vec::with_capacity(max_sessions),
            max_sessions,
            connections: Vec::with_capacity(max_sessions * PEERS_PER_SESSION),
            model,
            batch: SileroBatch::new(BATCH_LANES),
            lanes: Vec::with_capacity(BATCH_LANES),
            ladder: OverloadLadder::default(),
            counters: Arc::default(),
        }
    }

    /// What it did, for whoever watches.
    #[must_use]
    pub fn counters(&self) -> &Arc<ShardCounters> {
        &self.counters
    }

    /// Sessions being served.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Connections being driven.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is nothing to tick for: neither sessions nor connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.connections.is_empty()
    }

    /// Takes a session on from the next tick.
    ///
    /// # Errors
    /// Gives it back when the shard is full.
    pub fn add(&mut self, session: Box<Session>) -> Result<(), Box<Session>> {
        if self.sessions.len() == self.max_sessions {
            return Err(session);
        }
        self.sessions.push(session);
        Ok(())
    }

    /// As many connections as it has room for.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_sessions * PEERS_PER_SESSION
    }

    /// Drives a connection from the next tick on.
    ///
    /// # Errors
    /// Gives it back when the shard drives as many as it has room for, two for each session.
    pub fn connect(&mut self, connection: Connection) -> Result<(), Connection> {
        if self.connections.len() == self.max_connections() {
            return Err(connection);
        }
        self.connections.push(connection);
        Ok(())
    }

    /// Serves ten milliseconds of every session, on time and in no time; see [`tick_owed`](Self::tick_owed).
    pub fn tick(&mut self, now_us: u64, retire: &mut dyn FnMut(Retired)) -> bool {
        self.tick_owed(now_us, &|| now_us, retire)
    }

    /// Serves the ten milliseconds of every session that were due at `due_us`; those that are over go to `retire`. `clock`
    /// says what time it is: how late the tick is and how much work it was decide what the shard gives up.
    ///
    /// Returns whether a loop was told to look.
    pub fn tick_owed(
        &mut self,
        due_us: u64,
        clock: &dyn Fn() -> u64,
        retire: &mut dyn FnMut(Retired),
    ) -> bool {
        let now_us = clock();
        self.ladder.begin(due_us, now_us);
        for connection in &mut self.connections {
            let failed = !connection.take(now_us);
            self.counters.peers_failed.add(u64::from(failed));
        }
        for session in &mut self.sessions {
            guarded(session, now_us, |session| session.begin(now_us));
        }
        self.judge_windows();
        let sending = Sending {
            due_us,
            skipped: self.ladder.skips(clock()),
            effort: if self.ladder.step() >= OverloadStep::CheaperCodec {
                Effort::Least
            } else {
                Effort::Configured
            },
        };
        for session in &mut self.sessions {
            guarded(session, now_us, |session| {
                session.finish(now_us, sending, clock);
            });
        }
        let urgency = if self.ladder.step() >= OverloadStep::DataWaits {
            Urgency::SoundOnly
        } else {
            Urgency::All
        };
        for connection in &mut self.connections {
            let failed = !connection.give(clock(), urgency);
            self.counters.peers_failed.add(u64::from(failed));
        }
        // After all sound is on its way: a woken loop must not compete with the rest of the tick.
        let mut told = false;
        for session in &mut self.sessions {
            if let Some(bell) = session.out_bell() {
                bell.ring(clock());
                told = true;
            }
            if session.take_notify() {
                session.bell().ring(clock());
                told = true;
            }
        }
        self.account(now_us, sending, clock());
        let over = |session: &mut Box<Session>| session.is_done();
        for session in self.sessions.extract_if(.., over) {
            retire(Retired::Session(session));
        }
        let over = |connection: &mut Connection| connection.is_over();
        for connection in self.connections.extract_if(.., over) {
            retire(Retired::Connection(connection));
        }
        self.counters.peers.note(self.connections.len());
        if self.is_empty() {
            // Nobody ticks an empty shard: it must not go on refusing calls.
            self.ladder = OverloadLadder::default();
            self.counters.publish(self.ladder.step(), []);
        }
        told
    }

    /// Enters a tick into the counters and the ladder.
    fn account(&mut self, began_us: u64, sending: Sending, now_us: u64) {
        let late_us = began_us.saturating_sub(sending.due_us);
        self.counters.ticks.add(1);
        self.counters.lateness.note(late_us);
        self.counters.late_ticks.add(u64::from(late_us >= TICK_US));
        self.counters.busy_us.add(now_us.saturating_sub(began_us));
        if sending.skipped {
            self.counters.ticks_skipped.add(1);
            self.counters.frames_skipped.add(self.sessions.len() as u64);
        }
        let entered = self.ladder.end(now_us);
        self.counters.publish(self.ladder.step(), entered);
    }

    /// Ends every session and drops every connection: the thread is going away.
    pub fn close(&mut self, now_us: u64, retire: &mut dyn FnMut(Retired)) {
        for mut session in self.sessions.drain(..) {
            session.close(now_us);
            session.wake_all(now_us);
            retire(Retired::Session(session));
        }
        for mut connection in self.connections.drain(..) {
            // Whoever asked it to say goodbye may have done so since the last tick.
            connection.take(now_us);
            connection.give(now_us, Urgency::All);
            retire(Retired::Connection(connection));
        }
    }

    fn judge_windows(&mut self) {
        let Some(model) = &self.model else { return };
        let mut next = 0;
        while next < self.sessions.len() {
            self.batch.clear();
            self.lanes.clear();
            while next < self.sessions.len() && self.lanes.len() < BATCH_LANES {
                if let Some((state, window)) = self.sessions[next].awaits_judgement() {
                    self.batch.push(state, window);
                    self.lanes.push(next);
                }
                next += 1;
            }
            if self.lanes.is_empty() {
                break;
            }
            self.batch.run(model);
            for (lane, &index) in self.lanes.iter().enumerate() {
                let batch = &mut self.batch;
                self.sessions[index].judge(|state| batch.take(lane, state));
            }
        }
    }
}

/// A panic in one session's code ends that session and no other.
fn guarded(session: &mut Session, now_us: u64, step: impl FnOnce(&mut Session)) {
    if catch_unwind(AssertUnwindSafe(|| step(session))).is_err() {
        session.fail(now_us);
    }
}
