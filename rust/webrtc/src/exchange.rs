//! What lies between a peer and its handle: commands one way, events the other.

use crate::command::PeerCommand;
use crate::event::PeerEvent;
use beluga_engine::{LoopWake, Wake};
use crossbeam_queue::{ArrayQueue, SegQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Commands that may wait for the peer.
pub const COMMAND_CAPACITY: usize = 256;
/// Events that may wait for the handle before the peer obeys no more commands: nearly every event answers one.
pub(crate) const EVENTS_WAITING: usize = 256;

/// Shared by the two.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) commands: ArrayQueue<PeerCommand>,
    /// Bounded by who pushes: answers by [`EVENTS_WAITING`], messages by their bytes, and whatever else can be said is said
    /// once a section, a channel or a change of the connection that was heard of.
    events: SegQueue<PeerEvent>,
    /// Bytes of the messages among the events.
    message_bytes: AtomicUsize,
    /// There is no handle any more.
    abandoned: AtomicBool,
    wake: LoopWake,
}

#[derive(Debug)]
struct SharedWake(Arc<dyn Wake>);

impl Wake for SharedWake {
    fn wake(&self) {
        self.0.wake();
    }
}

impl Exchange {
    pub(crate) fn new(wake: Arc<dyn Wake>) -> Self {
        Self {
            commands: ArrayQueue::new(COMMAND_CAPACITY),
            events: SegQueue::new(),
            message_bytes: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            wake: LoopWake::new(Box::new(SharedWake(wake))),
        }
    }

    /// The peer's side: says something. Whoever holds the handle is woken by [`notify`](Self::notify).
    pub(crate) fn say(&self, event: PeerEvent) {
        if let PeerEvent::Message { message, .. } = &event {
            self.message_bytes
                .fetch_add(message.len(), Ordering::Relaxed);
        }
        self.events.push(event);
    }

    pub(crate) fn notify(&self, now_us: u64) {
        self.wake.notify(now_us);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn message_bytes(&self) -> usize {
        self.message_bytes.load(Ordering::Relaxed)
    }

    /// The handle's side: what it takes from now on is followed by a wake-up when more comes.
    pub(crate) fn looking(&self) {
        self.wake.looking();
    }

    pub(crate) fn next(&self) -> Option<PeerEvent> {
        let event = self.events.pop()?;
        if let PeerEvent::Message { message, .. } = &event {
            self.message_bytes
                .fetch_sub(message.len(), Ordering::Relaxed);
        }
        Some(event)
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}
