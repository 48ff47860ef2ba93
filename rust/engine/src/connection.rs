//! A peer and its link, as one thread after another drives them.

use crate::peer::{Link, Peer, Urgency};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One connection: who speaks, and what carries it. A panic in its code ends it and nothing else.
#[derive(Debug)]
pub struct Connection<L: ?Sized = dyn Link> {
    peer: Box<dyn Peer>,
    link: Box<L>,
    state: State,
}

/// What the peer said of itself when it was driven last.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Its code panicked: it is not called any more.
    broken: bool,
    settled: bool,
    over: bool,
    due_us: u64,
}

impl<L: Link + 'static> Connection<L> {
    /// `peer`, reached through `link`.
    #[must_use]
    pub fn new(peer: Box<dyn Peer>, link: Box<L>) -> Self {
        let state = State {
            broken: false,
            settled: false,
            over: false,
            due_us: 0,
        };
        Self { peer, link, state }
    }

    /// The same for a shard, which knows no kind of link.
    #[must_use]
    pub fn boxed(self) -> Connection {
        Connection {
            peer: self.peer,
            link: self.link,
            state: self.state,
        }
    }
}

impl<L: Link + ?Sized> Connection<L> {
    /// What carries it.
    #[must_use]
    pub fn link(&self) -> &L {
        &self.link
    }

    /// The same, to tell it something.
    pub fn link_mut(&mut self) -> &mut L {
        &mut self.link
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
        self.state.due_us
    }

    /// Whether a shard can take it on.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.state.settled && !self.is_over()
    }

    /// Whether it can be put away.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.broken || self.state.over
    }

    fn guarded(&mut self, step: impl FnOnce(&mut dyn Peer, &mut L)) -> bool {
        if self.state.broken {
            return true;
        }
        let (peer, link) = (&mut *self.peer, &mut *self.link);
        let driven = catch_unwind(AssertUnwindSafe(|| {
            step(&mut *peer, link);
            State {
                broken: false,
                settled: peer.is_settled(),
                over: peer.is_over(),
                due_us: peer.due_us(),
            }
        }));
        if let Ok(state) = driven {
            self.state = state;
            return true;
        }
        self.state.broken = true;
        // If it cannot even say so, it is put away all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| peer.fail()));
        false
    }
}
