//! A peer and its link, as one thread after another drives them.

use crate::peer::{Link, Peer, Urgency};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One connection: who speaks, and what carries it. A panic in its code ends it and nothing else.
#[derive(Debug)]
pub struct Connection<L: ?Sized = dyn Link> {
    peer: Box<dyn Peer>,
    link: Box<L>,
    /// Its code panicked: it is not called any more.
    broken: bool,
}

impl<L: Link + 'static> Connection<L> {
    /// `peer`, reached through `link`.
    #[must_use]
    pub fn new(peer: Box<dyn Peer>, link: Box<L>) -> Self {
        Self {
            peer,
            link,
            broken: false,
        }
    }

    /// The same for a shard, which knows no kind of link.
    #[must_use]
    pub fn boxed(self) -> Connection {
        Connection {
            peer: self.peer,
            link: self.link,
            broken: self.broken,
        }
    }
}

impl<L: Link + ?Sized> Connection<L> {
    /// What carries it.
    #[must_use]
    pub fn link(&self) -> &L {
        &self.link
    }

    /// Takes what has arrived, then obeys and lets timers pass. False if that failed, which is said once.
    pub fn take(&mut self, now_us: u64) -> bool {
        self.guarded(|peer, link| {
            link.receive(now_us, &mut |arrival_us, datagram| {
                peer.receive(arrival_us, datagram);
            });
            peer.advance(now_us);
        })
    }

    /// Sends what is to be sent now. False if that failed, which is said once.
    pub fn give(&mut self, now_us: u64, urgency: Urgency) -> bool {
        self.guarded(|peer, link| {
            peer.send(now_us, urgency, &mut |datagram| link.transmit(datagram));
        })
    }

    /// When it wants to be driven though nothing arrives.
    #[must_use]
    pub fn due_us(&self) -> u64 {
        self.peer.due_us()
    }

    /// Whether a shard can take it on.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.broken && self.peer.is_settled()
    }

    /// Whether it can be put away.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.broken || self.peer.is_over()
    }

    fn guarded(&mut self, step: impl FnOnce(&mut dyn Peer, &mut L)) -> bool {
        if self.broken {
            return true;
        }
        let (peer, link) = (&mut *self.peer, &mut *self.link);
        if catch_unwind(AssertUnwindSafe(|| step(&mut *peer, link))).is_ok() {
            return true;
        }
        self.broken = true;
        // If it cannot even say so, it is put away all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| peer.fail()));
        false
    }
}
