//! A wire that records what it is told and orders what a test tells it to.

use super::wait_for;
use beluga_engine::{Fetched, Peer, Secret, Wake, Wire, WireEnd, WireOrder};
use beluga_runtime::{Place, Reach, Runtime};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Opened,
    Received(Vec<u8>),
    Ended(WireEnd),
    Fetched(Fetched),
    Left,
    Failed,
}

/// Both sides of the wire: the test holds it, the signalling thread asks it.
#[derive(Debug, Default)]
pub struct Script {
    seen: Mutex<Vec<Seen>>,
    orders: Mutex<VecDeque<WireOrder>>,
    /// Ordered when it is told to leave.
    farewell: Mutex<Vec<WireOrder>>,
    /// Stays though it was told to leave.
    pub stays: AtomicBool,
    over: AtomicBool,
    /// Panics when it is advanced.
    panics: AtomicBool,
    /// Panics when it is told that it failed, too.
    pub fails_badly: AtomicBool,
    pub advanced: AtomicU64,
    /// When it was advanced last.
    pub advanced_us: AtomicU64,
    /// Always wants something else done.
    pub orders_for_ever: AtomicBool,
    due_us: AtomicU64,
    wake: OnceLock<Arc<dyn Wake>>,
}

#[derive(Debug)]
struct Scripted(Arc<Script>);

impl Script {
    /// A wire of this runtime.
    pub fn drive(runtime: &Runtime, reach: Reach) -> (Arc<Self>, Place) {
        let script = Arc::new(Self::default());
        script.due_us.store(u64::MAX, Ordering::Release);
        let wired = script.clone();
        let place = runtime
            .drive(reach, |wake| {
                wired.wake.set(wake).expect("the first");
                Box::new(Scripted(wired.clone()))
            })
            .expect("a place");
        (script, place)
    }

    pub fn order(&self, order: WireOrder) {
        self.order_all([order]);
    }

    /// All of them at once: nothing happens between them.
    pub fn order_all(&self, orders: impl IntoIterator<Item = WireOrder>) {
        self.orders.lock().expect("orders").extend(orders);
        self.wake();
    }

    pub fn open(&self, url: &str) {
        self.open_within(url, 30_000);
    }

    pub fn open_within(&self, url: &str, timeout_ms: u32) {
        self.order(WireOrder::Open {
            url: Secret::new(url.to_owned()),
            timeout_ms,
        });
    }

    pub fn send(&self, message: &[u8]) {
        self.order(WireOrder::Send(message.to_vec()));
    }

    pub fn fetch(&self, url: &str, bearer: &str, timeout_ms: u32) {
        self.order(WireOrder::Fetch {
            url: Secret::new(url.to_owned()),
            bearer: Secret::new(bearer.to_owned()),
            timeout_ms,
        });
    }

    pub fn peer(&self, peer: impl Peer + 'static) {
        self.order(WireOrder::Drive(Box::new(peer)));
    }

    /// What it orders when it is told to leave.
    pub fn on_leave(&self, orders: impl IntoIterator<Item = WireOrder>) {
        self.farewell.lock().expect("orders").extend(orders);
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.wake();
    }

    pub fn panic(&self) {
        self.panics.store(true, Ordering::Release);
        self.wake();
    }

    pub fn due_at(&self, due_us: u64) {
        self.due_us.store(due_us, Ordering::Release);
        self.wake();
    }

    pub fn wake(&self) {
        self.wake.get().expect("a wire that is driven").wake();
    }

    pub fn waker(&self) -> &Arc<dyn Wake> {
        self.wake.get().expect("a wire that is driven")
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("what was seen").clone()
    }

    /// Waits for something new and takes it.
    #[track_caller]
    pub fn next(&self) -> Seen {
        let mut next = None;
        wait_for("the wire is told something", || {
            let mut seen = self.seen.lock().expect("what was seen");
            if !seen.is_empty() {
                next = Some(seen.remove(0));
            }
            next.is_some()
        });
        next.expect("it was waited for")
    }

    fn see(&self, seen: Seen) {
        self.seen.lock().expect("what was seen").push(seen);
    }
}

impl Wire for Scripted {
    fn opened(&mut self, _now_us: u64) {
        self.0.see(Seen::Opened);
    }

    fn received(&mut self, _now_us: u64, message: &[u8]) {
        self.0.see(Seen::Received(message.to_vec()));
    }

    fn ended(&mut self, _now_us: u64, end: WireEnd) {
        self.0.see(Seen::Ended(end));
    }

    fn fetched(&mut self, _now_us: u64, fetched: Fetched) {
        self.0.see(Seen::Fetched(fetched));
    }

    fn advance(&mut self, now_us: u64) {
        self.0.advanced_us.store(now_us, Ordering::Release);
        self.0.advanced.fetch_add(1, Ordering::AcqRel);
        assert!(
            !self.0.panics.swap(false, Ordering::AcqRel),
            "this wire is broken (a test wants it)"
        );
    }

    fn order(&mut self) -> Option<WireOrder> {
        let order = self.0.orders.lock().expect("orders").pop_front();
        let more = self.0.orders_for_ever.load(Ordering::Acquire);
        order.or_else(|| more.then_some(WireOrder::Close))
    }

    fn due_us(&self) -> u64 {
        self.0.due_us.load(Ordering::Acquire)
    }

    fn leave(&mut self, _now_us: u64) {
        self.0.see(Seen::Left);
        let farewell = std::mem::take(&mut *self.0.farewell.lock().expect("orders"));
        self.0.orders.lock().expect("orders").extend(farewell);
        if !self.0.stays.load(Ordering::Acquire) {
            self.0.over.store(true, Ordering::Release);
        }
    }

    fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire) && self.0.orders.lock().expect("orders").is_empty()
    }

    fn fail(&mut self, _now_us: u64) {
        self.0.see(Seen::Failed);
        assert!(
            !self.0.fails_badly.load(Ordering::Acquire),
            "this wire cannot even fail (a test wants it)"
        );
        self.0.over.store(true, Ordering::Release);
    }
}
