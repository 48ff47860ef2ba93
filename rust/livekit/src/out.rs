//! What the parts of a room leave behind: events, results, messages to the server.

use crate::command::CommandId;
use crate::desk::Desk;
use crate::error::RoomError;
use crate::event::{Event, Outcome, RoomCounters};
use livekit_protocol::signal_request::Message;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Out {
    /// The clock, as of the last call from outside.
    pub(crate) now_us: u64,
    pub(crate) desk: Arc<Desk>,
    /// Whether the room was said to be joined. Nothing that happens before is told: the snapshot holds it.
    pub(crate) announced: bool,
    /// Messages that wait for signalling; while it is lost they are kept.
    pub(crate) signals: VecDeque<Message>,
    pub(crate) counters: RoomCounters,
}

impl Out {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self {
            now_us: 0,
            desk,
            announced: false,
            signals: VecDeque::new(),
            counters: RoomCounters::default(),
        }
    }

    pub(crate) fn say(&mut self, event: Event) {
        if self.announced {
            self.desk.say(self.now_us, event);
        }
    }

    pub(crate) fn done(&mut self, id: CommandId, result: Result<Outcome, RoomError>) {
        self.desk.done(self.now_us, id, result);
    }

    pub(crate) fn signal(&mut self, message: Message) {
        self.signals.push_back(message);
    }

    /// So many milliseconds from now.
    pub(crate) fn in_ms(&self, ms: u32) -> u64 {
        self.now_us + u64::from(ms) * 1_000
    }
}
