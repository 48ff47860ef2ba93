//! A thread that serves one shard every 10 ms, on an absolute timer.

use crate::clock::{now_us, sleep_until};
use beluga_engine::{OverloadStep, Session, Shard, ShardCounters, TICK_MS};
use beluga_vad::Silero;
use crossbeam_queue::ArrayQueue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const TICK_US: u64 = TICK_MS as u64 * 1_000;
/// Above the niceness of everything else in the process: a late tick is a gap in somebody's call.
const NICENESS: i32 = -10;
/// How long a process lives on after its shard died, so that it can say so.
const LAST_WORDS: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(crate) struct ShardThread {
    shared: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Mailbox {
    incoming: ArrayQueue<Box<Session>>,
    /// Sessions that are over, to be freed where that disturbs nobody.
    retired: ArrayQueue<Box<Session>>,
    /// Sessions served or on their way, at most `max_sessions`.
    load: AtomicUsize,
    max_sessions: usize,
    stop: AtomicBool,
    unhealthy: AtomicBool,
    /// The shard's own.
    counters: Arc<ShardCounters>,
}

impl ShardThread {
    pub(crate) fn start(
        index: usize,
        model: Option<Arc<Silero>>,
        max_sessions: usize,
    ) -> std::io::Result<Self> {
        let shard = Shard::new(model, max_sessions);
        let shared = Arc::new(Mailbox {
            incoming: ArrayQueue::new(max_sessions),
            retired: ArrayQueue::new(max_sessions),
            load: AtomicUsize::new(0),
            max_sessions,
            stop: AtomicBool::new(false),
            unhealthy: AtomicBool::new(false),
            counters: shard.counters().clone(),
        });
        let mailbox = shared.clone();
        let thread = std::thread::Builder::new()
            .name(format!("beluga-shard-{index}"))
            .spawn(move || {
                if catch_unwind(AssertUnwindSafe(|| serve(&mailbox, shard))).is_err() {
                    // Every call of this shard is mute: better to die and be restarted than to seem alive.
                    mailbox.unhealthy.store(true, Ordering::Release);
                    std::thread::sleep(LAST_WORDS);
                    std::process::abort();
                }
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn load(&self) -> usize {
        self.shared.load.load(Ordering::Acquire)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.load() < self.shared.max_sessions
    }

    pub(crate) fn is_healthy(&self) -> bool {
        !self.shared.unhealthy.load(Ordering::Acquire)
    }

    /// Whether there is time enough for one more.
    pub(crate) fn has_time(&self) -> bool {
        self.counters().step() == OverloadStep::None
    }

    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.shared.counters
    }

    /// Takes a session on, or gives it back when there is no room.
    pub(crate) fn add(&self, session: Box<Session>) -> Result<(), Box<Session>> {
        // A place first, the session after: all that have one fit into the mailbox and into the shard.
        let place = |load| (load < self.shared.max_sessions).then_some(load + 1);
        if self
            .shared
            .load
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, place)
            .is_err()
        {
            return Err(session);
        }
        self.shared.incoming.push(session).inspect_err(|_| {
            self.shared.load.fetch_sub(1, Ordering::AcqRel);
        })?;
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        Ok(())
    }

    /// Frees the sessions that are over.
    pub(crate) fn reap(&self) {
        while let Some(session) = self.shared.retired.pop() {
            drop(session);
        }
    }

    pub(crate) fn ask_to_stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and spoken of already.
            let _ = thread.join();
        }
        self.reap();
    }
}

fn serve(mailbox: &Mailbox, mut shard: Shard) {
    // Not allowed everywhere; without it ticks are later under load, which the statistics show.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    let mut retire = |session: Box<Session>| {
        mailbox.load.fetch_sub(1, Ordering::AcqRel);
        // Full means that nobody reaps: freeing it here costs the tick some microseconds, keeping it would cost memory.
        drop(mailbox.retired.push(session));
    };
    let mut due_us = now_us() + TICK_US;
    while !mailbox.stop.load(Ordering::Acquire) {
        if shard.is_empty() && mailbox.incoming.is_empty() {
            std::thread::park();
            due_us = now_us() + TICK_US;
            continue;
        }
        sleep_until(due_us);
        welcome(mailbox, &mut shard, &mut retire);
        shard.tick_owed(due_us, &now_us, &mut retire);
        // A late shard takes the input that it owes at once, the next deadline being past; the frames that it owes for too
        // long it skips. Deadlines never move: lateness is worked off, not got used to.
        due_us += TICK_US;
    }
    // Those that were on their way are told too that it is over.
    welcome(mailbox, &mut shard, &mut retire);
    shard.close(now_us(), &mut retire);
}

fn welcome(mailbox: &Mailbox, shard: &mut Shard, retire: &mut dyn FnMut(Box<Session>)) {
    while let Some(session) = mailbox.incoming.pop() {
        // Who is in the mailbox has a place in the shard; if not, the session is told that it is over.
        if let Err(mut session) = shard.add(session) {
            session.fail(now_us());
            session.loop_wake().notify(now_us());
            retire(session);
        }
    }
}
