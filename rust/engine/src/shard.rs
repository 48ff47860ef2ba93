//! Many sessions, one tick: the windows of all are judged together.

use crate::overload::{OverloadLadder, OverloadStep};
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

/// All sessions of one thread. It reads no clock: the thread tells it the time.
#[derive(Debug)]
pub struct Shard {
    sessions: Vec<Box<Session>>,
    max_sessions: usize,
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

    /// Whether nobody is served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
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

    /// Serves ten milliseconds of every session, on time and in no time; see [`tick_owed`](Self::tick_owed).
    pub fn tick(&mut self, now_us: u64, retire: &mut dyn FnMut(Box<Session>)) -> bool {
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
        retire: &mut dyn FnMut(Box<Session>),
    ) -> bool {
        let now_us = clock();
        self.ladder.begin(due_us, now_us);
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
        // After all sound is on its way: a woken loop must not compete with the rest of the tick.
        let mut told = false;
        for session in &mut self.sessions {
            if session.take_notify() {
                session.loop_wake().notify(clock());
                told = true;
            }
        }
        self.account(now_us, sending, clock());
        let mut index = 0;
        while index < self.sessions.len() {
            if self.sessions[index].is_done() {
                retire(self.sessions.swap_remove(index));
            } else {
                index += 1;
            }
        }
        if self.sessions.is_empty() {
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

    /// Ends every session: the thread is going away.
    pub fn close(&mut self, now_us: u64, retire: &mut dyn FnMut(Box<Session>)) {
        for mut session in self.sessions.drain(..) {
            session.close(now_us);
            session.loop_wake().notify(now_us);
            retire(session);
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
