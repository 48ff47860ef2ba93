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
const EVENTS_WAITING: usize = 256;

/// What a message counts for where bytes are bounded: itself and its place in a queue.
pub(crate) fn weight(message: &[u8]) -> usize {
    message.len() + 64
}

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

    /// The next command, unless too many events wait to be heard.
    pub(crate) fn command(&self) -> Option<PeerCommand> {
        if self.is_full() {
            return None;
        }
        self.commands.pop()
    }

    /// Whether so much waits that the peer obeys no more commands.
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_WAITING
    }

    /// The handle's side: what it takes from now on is followed by a wake-up when more comes.
    pub(crate) fn looking(&self) {
        self.wake.looking();
    }

    pub(crate) fn next(&self) -> Option<PeerEvent> {
        let event = self.events.pop()?;
        if let PeerEvent::Message { message, .. } = &event {
            self.message_bytes
                .fetch_sub(weight(message), Ordering::Relaxed);
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

/// The peer's way to say something.
#[derive(Debug)]
pub(crate) struct Voice {
    exchange: Arc<Exchange>,
    /// Something was said since the handle was woken last.
    spoke: bool,
}

impl Voice {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self {
            exchange,
            spoke: false,
        }
    }

    pub(crate) fn say(&mut self, event: PeerEvent) {
        if let PeerEvent::Message { message, .. } = &event {
            self.exchange
                .message_bytes
                .fetch_add(weight(message), Ordering::Relaxed);
        }
        self.exchange.events.push(event);
        self.spoke = true;
    }

    /// Wakes whoever holds the handle, if there is something new for him.
    pub(crate) fn notify(&mut self, now_us: u64) {
        if std::mem::take(&mut self.spoke) {
            self.exchange.wake.notify(now_us);
        }
    }

    /// Bytes of the messages that wait to be heard.
    pub(crate) fn message_bytes(&self) -> usize {
        self.exchange.message_bytes.load(Ordering::Relaxed)
    }

    /// Whether so much waits that what can wait does.
    pub(crate) fn is_full(&self) -> bool {
        self.exchange.is_full()
    }
}
