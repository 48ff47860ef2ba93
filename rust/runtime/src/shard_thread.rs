//! A thread that serves one shard every 10 ms, on an absolute timer.

use crate::clock::{now_us, sleep_until};
use crate::udp::prepare_thread;
use crate::vital::vital;
use beluga_engine::{Connection, OverloadStep, Retired, Session, Shard, ShardCounters, TICK_MS};
use beluga_vad::Silero;
use crossbeam_queue::ArrayQueue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};

const TICK_US: u64 = TICK_MS as u64 * 1_000;
/// Above the niceness of everything else in the process: a late tick is a gap in somebody's call.
const NICENESS: i32 = -10;
#[derive(Debug)]
pub(crate) struct ShardThread {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

/// The way to a shard, for any thread.
#[derive(Debug)]
pub(crate) struct Mailbox {
    incoming: ArrayQueue<Box<Session>>,
    incoming_connections: ArrayQueue<Connection>,
    /// Connections driven or on their way, as many as there is room for in that queue and in the shard.
    connections: AtomicUsize,
    /// What is over, to be freed where that disturbs nobody.
    retired: ArrayQueue<Retired>,
    /// Sessions served or on their way, at most `max_sessions`.
    load: AtomicUsize,
    /// Wires whose sessions and peers belong here, at most as many.
    wires: AtomicUsize,
    max_sessions: usize,
    stop: AtomicBool,
    unhealthy: AtomicBool,
    /// The shard's own.
    counters: Arc<ShardCounters>,
    thread: OnceLock<Thread>,
}

/// A wire's place on a shard, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct WirePlace(Arc<Mailbox>);

/// A connection's place on a shard.
pub(crate) struct ConnectionSlot<'a>(&'a Mailbox);

impl ShardThread {
    pub(crate) fn start(
        index: usize,
        model: Option<Arc<Silero>>,
        max_sessions: usize,
    ) -> std::io::Result<Self> {
        let shard = Shard::new(model, max_sessions);
        let mailbox = Arc::new(Mailbox {
            incoming: ArrayQueue::new(max_sessions),
            incoming_connections: ArrayQueue::new(shard.max_connections()),
            connections: AtomicUsize::new(0),
            retired: ArrayQueue::new(max_sessions + shard.max_connections()),
            load: AtomicUsize::new(0),
            wires: AtomicUsize::new(0),
            max_sessions,
            stop: AtomicBool::new(false),
            unhealthy: AtomicBool::new(false),
            counters: shard.counters().clone(),
            thread: OnceLock::new(),
        });
        let shared = mailbox.clone();
        let thread = std::thread::Builder::new()
            .name(format!("beluga-shard-{index}"))
            .spawn(move || vital(&shared.unhealthy, || serve(&shared, shard)))?;
        mailbox.thread.get_or_init(|| thread.thread().clone());
        Ok(Self {
            mailbox,
            thread: Some(thread),
        })
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(crate) fn ask_to_stop(&self) {
        self.mailbox.stop.store(true, Ordering::Release);
        self.mailbox.unpark();
    }

    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and spoken of already.
            let _ = thread.join();
        }
        self.mailbox.reap();
    }
}

impl Mailbox {
    /// Sessions served or on their way.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Acquire)
    }

    /// Wires that belong here.
    pub(crate) fn wires(&self) -> usize {
        self.wires.load(Ordering::Acquire)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.load() < self.max_sessions
    }

    pub(crate) fn has_room_for_wire(&self) -> bool {
        self.has_room() && self.wires() < self.max_sessions
    }

    pub(crate) fn is_healthy(&self) -> bool {
        !self.unhealthy.load(Ordering::Acquire)
    }

    /// Whether there is time enough for one more.
    pub(crate) fn has_time(&self) -> bool {
        self.counters.step() == OverloadStep::None
    }

    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.counters
    }

    /// Takes a session on, or gives it back when there is no room.
    pub(crate) fn add(&self, session: Box<Session>) -> Result<(), Box<Session>> {
        // A place first, the session after: all that have one fit into the mailbox and into the shard.
        if !reserve(&self.load, self.max_sessions) {
            return Err(session);
        }
        self.incoming.push(session).inspect_err(|_| {
            self.load.fetch_sub(1, Ordering::AcqRel);
        })?;
        self.unpark();
        Ok(())
    }

    /// A place for a wire, if there is one.
    pub(crate) fn place(self: &Arc<Self>) -> Option<WirePlace> {
        reserve(&self.wires, self.max_sessions).then(|| WirePlace(self.clone()))
    }

    /// Frees what is over.
    pub(crate) fn reap(&self) {
        while let Some(over) = self.retired.pop() {
            free(over);
        }
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn is_quiet(&self) -> bool {
        self.incoming.is_empty() && self.incoming_connections.is_empty()
    }
}

impl WirePlace {
    /// A place for a connection, if the shard has one now.
    pub(crate) fn slot(&self) -> Option<ConnectionSlot<'_>> {
        let mailbox = &self.0;
        let capacity = mailbox.incoming_connections.capacity();
        reserve(&mailbox.connections, capacity).then_some(ConnectionSlot(mailbox))
    }
}

impl ConnectionSlot<'_> {
    /// Hands a connection to the shard.
    pub(crate) fn connect(self, connection: Connection) {
        let Self(mailbox) = self;
        // Whoever has a slot has a place in the queue.
        if let Err(connection) = mailbox.incoming_connections.push(connection) {
            mailbox.connections.fetch_sub(1, Ordering::AcqRel);
            drop(connection);
        }
        mailbox.unpark();
    }
}

impl Drop for WirePlace {
    fn drop(&mut self) {
        self.0.wires.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Takes one of `capacity` places.
fn reserve(taken: &AtomicUsize, capacity: usize) -> bool {
    let one_more = |taken| (taken < capacity).then_some(taken + 1);
    taken
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
        .is_ok()
}

/// What was written by others may fail to be freed: no reason for whoever does it to end.
fn free(over: Retired) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(over)));
}

fn serve(mailbox: &Mailbox, mut shard: Shard) {
    // Not allowed everywhere; without it ticks are later under load, which the statistics show.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    prepare_thread();
    let mut retire = |over: Retired| {
        let places = match over {
            Retired::Session(_) => &mailbox.load,
            Retired::Connection(_) => &mailbox.connections,
        };
        places.fetch_sub(1, Ordering::AcqRel);
        // Full means that nobody reaps: freeing it here costs the tick some microseconds, keeping it would cost memory.
        if let Err(over) = mailbox.retired.push(over) {
            free(over);
        }
    };
    let mut due_us = now_us() + TICK_US;
    while !mailbox.stop.load(Ordering::Acquire) {
        if shard.is_empty() && mailbox.is_quiet() {
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

fn welcome(mailbox: &Mailbox, shard: &mut Shard, retire: &mut dyn FnMut(Retired)) {
    while let Some(session) = mailbox.incoming.pop() {
        // Who is in the mailbox has a place in the shard; if not, the session is told that it is over.
        if let Err(mut session) = shard.add(session) {
            session.fail(now_us());
            session.wake_all(now_us());
            retire(Retired::Session(session));
        }
    }
    while let Some(connection) = mailbox.incoming_connections.pop() {
        if let Err(connection) = shard.connect(connection) {
            retire(Retired::Connection(connection));
        }
    }
}
