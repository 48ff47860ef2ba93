//! The one thread of all signalling: joins, messages, TLS, and peers until they are connected. It sleeps until something
//! happens.

use crate::network_counters::NetworkCounters;
use crate::reach::Reach;
use crate::shard_thread::{Mailbox, WirePlace};
use crate::vital::vital;
use crate::wire_task::WireTask;
use beluga_engine::{Wake, Wire};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// For all wires together to leave, when the process ends.
const LEAVING: Duration = Duration::from_millis(300);
/// Names that are resolved beside each other; the system's resolver blocks a thread for each.
const RESOLVERS: usize = 8;
/// How often what is over is freed while nobody opens a call.
const REAP_EVERY: Duration = Duration::from_secs(1);

/// The thread. Dropping it lets the wires leave and joins it.
#[derive(Debug)]
pub(crate) struct SignalThread {
    handle: SignalHandle,
    thread: Option<JoinHandle<()>>,
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub(crate) struct SignalHandle {
    tokio: Handle,
    signal: Arc<Signal>,
}

/// What the thread's tasks share.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) counters: Arc<NetworkCounters>,
    stop: watch::Sender<bool>,
    /// Tasks that have not ended.
    tasks: AtomicUsize,
    task_ended: Notify,
    wires: AtomicUsize,
    unsettled: AtomicUsize,
    unhealthy: AtomicBool,
}

/// Counts one task among those that are waited for.
struct Counted(Arc<Signal>);

impl SignalThread {
    pub(crate) fn start(
        shards: Vec<Arc<Mailbox>>,
        counters: Arc<NetworkCounters>,
    ) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(RESOLVERS)
            .thread_name("beluga-resolve")
            .build()?;
        let signal = Arc::new(Signal {
            counters,
            stop: watch::channel(false).0,
            tasks: AtomicUsize::new(0),
            task_ended: Notify::new(),
            wires: AtomicUsize::new(0),
            unsettled: AtomicUsize::new(0),
            unhealthy: AtomicBool::new(false),
        });
        let handle = SignalHandle {
            tokio: runtime.handle().clone(),
            signal: signal.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("beluga-signal".to_owned())
            .spawn(move || {
                vital(&signal.unhealthy, || {
                    runtime.block_on(signal.serve(&shards));
                    // A name that is being resolved cannot be given up: its thread ends by itself.
                    runtime.shutdown_background();
                });
            })?;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }

    pub(crate) fn handle(&self) -> SignalHandle {
        self.handle.clone()
    }

    pub(crate) fn is_healthy(&self) -> bool {
        !self.handle.signal.unhealthy.load(Ordering::Acquire)
    }
}

impl Drop for SignalThread {
    fn drop(&mut self) {
        self.handle.signal.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and spoken of already.
            let _ = thread.join();
        }
    }
}

impl SignalHandle {
    /// Drives a wire until it is over.
    pub(crate) fn drive(
        &self,
        reach: Reach,
        place: WirePlace,
        wire: impl FnOnce(Arc<dyn Wake>) -> Box<dyn Wire>,
    ) {
        let woken = Arc::new(Woken(Notify::new()));
        let task = WireTask::new(
            wire(woken.clone()),
            woken,
            reach,
            place,
            self.signal.clone(),
        );
        let task = self.signal.counted(task.run());
        self.tokio.spawn(task);
    }
}

/// Wakes one wire's task.
#[derive(Debug)]
pub(crate) struct Woken(pub(crate) Notify);

impl Wake for Woken {
    fn wake(&self) {
        // Takes a lock for some instructions if the task sleeps, and none if it is awake.
        self.0.notify_one();
    }
}

impl Signal {
    async fn serve(&self, shards: &[Arc<Mailbox>]) {
        let mut stop = self.stopped();
        let mut reaping = interval(REAP_EVERY);
        reaping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.wait_for(|&stop| stop) => break,
                _ = reaping.tick() => shards.iter().for_each(|shard| shard.reap()),
            }
        }
        // Those that are not done by then end with the thread.
        let _ = timeout(LEAVING, self.all_ended()).await;
    }

    async fn all_ended(&self) {
        while self.tasks.load(Ordering::Acquire) > 0 {
            self.task_ended.notified().await;
        }
    }

    /// Tells when the thread is to end.
    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Runs `work` beside the caller, on the signalling thread; it is waited for at the end.
    pub(crate) fn beside(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.counted(work));
    }

    /// One wire more is being driven, until what is returned is dropped.
    pub(crate) fn one_wire(self: &Arc<Self>) -> Tally {
        Tally::up(
            self.clone(),
            |signal| &signal.wires,
            |counters| &counters.wires,
        )
    }

    /// One peer more is on this thread, until what is returned is dropped.
    pub(crate) fn one_unsettled(self: &Arc<Self>) -> Tally {
        Tally::up(
            self.clone(),
            |signal| &signal.unsettled,
            |counters| &counters.peers_unsettled,
        )
    }

    fn counted<F: Future<Output = ()>>(
        self: &Arc<Self>,
        work: F,
    ) -> impl Future<Output = ()> + use<F> {
        self.tasks.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(self.clone());
        async move {
            let _counted = counted;
            work.await;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::AcqRel);
        self.0.task_ended.notify_one();
    }
}

/// One of those that are there now.
#[derive(Debug)]
pub(crate) struct Tally {
    signal: Arc<Signal>,
    now: fn(&Signal) -> &AtomicUsize,
    shown: fn(&NetworkCounters) -> &beluga_engine::Depth,
}

impl Tally {
    fn up(
        signal: Arc<Signal>,
        now: fn(&Signal) -> &AtomicUsize,
        shown: fn(&NetworkCounters) -> &beluga_engine::Depth,
    ) -> Self {
        let before = now(&signal).fetch_add(1, Ordering::AcqRel);
        shown(&signal.counters).note(before + 1);
        Self { signal, now, shown }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let before = (self.now)(&self.signal).fetch_sub(1, Ordering::AcqRel);
        (self.shown)(&self.signal.counters).note(before - 1);
    }
}
