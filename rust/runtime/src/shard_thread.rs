//! A thread that serves one shard every 10 ms, on an absolute timer.

use crate::clock::{now_us, sleep_until};
use beluga_engine::{Session, Shard, TICK_MS};
use beluga_vad::Silero;
use crossbeam_queue::ArrayQueue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const TICK_US: u64 = TICK_MS as u64 * 1_000;
/// Above the niceness of everything else in the process: a late tick is a gap in somebody's call.
const NICENESS: i32 = -10;
/// How long a process lives on after its shard died, so that it can say so.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// What a shard's thread did, readable from any thread.
#[derive(Debug, Default)]
pub struct ShardStats {
    /// Ticks served.
    pub ticks: AtomicU64,
    /// Ticks that began a whole tick late or more.
    pub late_ticks: AtomicU64,
    /// The latest that a tick began, in microseconds.
    pub max_late_us: AtomicU64,
    /// Microseconds spent in ticks.
    pub busy_us: AtomicU64,
}

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
    stats: ShardStats,
}

impl ShardThread {
    pub(crate) fn start(
        index: usize,
        model: Option<Arc<Silero>>,
        max_sessions: usize,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Mailbox {
            incoming: ArrayQueue::new(max_sessions),
            retired: ArrayQueue::new(max_sessions),
            load: AtomicUsize::new(0),
            max_sessions,
            stop: AtomicBool::new(false),
            unhealthy: AtomicBool::new(false),
            stats: ShardStats::default(),
        });
        let mailbox = shared.clone();
        let thread = std::thread::Builder::new()
            .name(format!("beluga-shard-{index}"))
            .spawn(move || {
                let shard = Shard::new(model, max_sessions);
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

    pub(crate) fn stats(&self) -> &ShardStats {
        &self.shared.stats
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
    let stats = &mailbox.stats;
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
        let began_us = now_us();
        let late_us = began_us.saturating_sub(due_us);
        stats
            .late_ticks
            .fetch_add(u64::from(late_us >= TICK_US), Ordering::Relaxed);
        stats.max_late_us.fetch_max(late_us, Ordering::Relaxed);
        shard.tick(began_us, &mut retire);
        stats.ticks.fetch_add(1, Ordering::Relaxed);
        stats
            .busy_us
            .fetch_add(now_us() - began_us, Ordering::Relaxed);
        // A late shard serves what it owes at once: the next deadline may already be past.
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
            session.loop_wake().notify();
            retire(session);
        }
    }
}
