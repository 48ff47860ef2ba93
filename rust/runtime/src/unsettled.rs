//! A peer on the signalling thread: until its handshakes are done, or while its shard has no place.

use crate::link::SocketLink;
use crate::shard_thread::WirePlace;
use crate::signal_thread::Tally;
use crate::watched::Watched;
use beluga_engine::{Connection, Peer, Urgency};
use std::task::{Context, Poll};

/// How soon a shard that had no place is asked again.
const ASK_AGAIN_US: u64 = 10_000;

pub(crate) struct Unsettled {
    connection: Connection<SocketLink>,
    /// The sockets of that version of the link.
    watched: Vec<Watched>,
    version: Option<u64>,
    ask_again_us: u64,
    _tally: Tally,
}

impl Unsettled {
    pub(crate) fn new(peer: Box<dyn Peer>, link: SocketLink, tally: Tally) -> Self {
        Self {
            connection: Connection::new(peer, Box::new(link)),
            watched: Vec::new(),
            version: None,
            ask_again_us: u64::MAX,
            _tally: tally,
        }
    }

    /// Takes, obeys, sends. False if its code failed, which is said once.
    pub(crate) fn drive(&mut self, now_us: u64) -> bool {
        let taken = self.connection.take(now_us);
        let given = self.connection.give(now_us, Urgency::All);
        self.watch();
        taken && given
    }

    pub(crate) fn due_us(&self) -> u64 {
        self.connection.due_us().min(self.ask_again_us)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.connection.is_settled()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.connection.is_over()
    }

    /// To the shard, which goes on where this thread stopped; or stays for a while, when the shard has no place.
    pub(crate) fn hand_over(mut self, now_us: u64, place: &WirePlace) -> Result<(), Self> {
        let Some(slot) = place.slot() else {
            self.ask_again_us = now_us + ASK_AGAIN_US;
            return Err(self);
        };
        // From here on the shard alone looks at the sockets.
        self.watched.clear();
        self.connection.link_mut().look_each_tick();
        slot.connect(self.connection.boxed());
        Ok(())
    }

    /// Ready when there is something to read, or room to write what waits.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let link = self.connection.link();
        let (mut ready, to_write) = (link.has_more(), link.has_waiting());
        // All are asked: each registers who is to be woken.
        for socket in &self.watched {
            ready |= socket.poll(cx, to_write).is_ready();
        }
        if ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Registers the sockets with the thread's reactor when they are others.
    fn watch(&mut self) {
        let link = self.connection.link();
        if self.version == Some(link.version()) {
            return;
        }
        self.version = Some(link.version());
        self.watched.clear();
        self.watched.extend(link.watched());
    }
}
