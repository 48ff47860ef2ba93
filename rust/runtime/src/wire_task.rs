//! Drives one wire: its WebSocket, its request, its timers, and its peers until a shard has them.

use crate::clock::now_us;
use crate::fetch::fetch;
use crate::link::SocketLink;
use crate::reach::Reach;
use crate::shard_thread::WirePlace;
use crate::signal_thread::{Signal, Tally, Woken};
use crate::unsettled::Unsettled;
use crate::websocket::{self, Incoming, WebSocket};
use beluga_engine::{Fetched, Peer, Wire, WireEnd, WireOrder};
use futures_util::FutureExt;
use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Orders obeyed at one time; then others have their turn.
const MAX_ORDERS: usize = 256;
/// Peers of one wire on this thread. A wire replaces its peer now and then, it does not collect them.
const MAX_PEERS: usize = 8;
/// For a WebSocket to be closed in an orderly way.
const CLOSING: Duration = Duration::from_secs(1);
/// For peers to say goodbye when their wire is over.
const GOODBYES_US: u64 = 500_000;
/// A timer that is always due costs no more than this.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Debug)]
enum Happened {
    Stop,
    Opened(Result<Box<WebSocket>, WireEnd>),
    Incoming(Incoming),
    Fetched(Fetched),
    /// A timer that was set for this time.
    Due(u64),
    /// A wake-up, or a datagram.
    Look,
}

enum Socket {
    Closed,
    Opening(Later<Result<WebSocket, WireEnd>>),
    Open(Box<WebSocket>),
}

pub(crate) struct WireTask {
    wire: Box<dyn Wire>,
    woken: Arc<Woken>,
    reach: Reach,
    place: WirePlace,
    signal: Arc<Signal>,
    socket: Socket,
    /// A WebSocket was open before.
    was_open: bool,
    fetching: Option<Later<Fetched>>,
    peers: Vec<Unsettled>,
    /// The address that the last WebSocket reached.
    server: Option<IpAddr>,
    stop: watch::Receiver<bool>,
    leaving: bool,
    looked_us: u64,
    /// There are more orders than are obeyed at one time.
    behind: bool,
    _tally: Tally,
}

impl WireTask {
    pub(crate) fn new(
        wire: Box<dyn Wire>,
        woken: Arc<Woken>,
        reach: Reach,
        place: WirePlace,
        signal: Arc<Signal>,
    ) -> Self {
        Self {
            wire,
            woken,
            reach,
            place,
            socket: Socket::Closed,
            was_open: false,
            fetching: None,
            peers: Vec::new(),
            server: None,
            stop: signal.stopped(),
            leaving: false,
            looked_us: 0,
            behind: false,
            _tally: signal.one_wire(),
            signal,
        }
    }

    /// Until the wire is over. A panic in its code, or in ours, ends it and no other.
    pub(crate) async fn run(mut self) {
        if AssertUnwindSafe(self.serve()).catch_unwind().await.is_err() {
            self.signal.counters.wires_failed.add(1);
            let failing = AssertUnwindSafe(|| self.wire.fail(now_us()));
            if catch_unwind(failing).is_ok() {
                // What it still has to say. If it panics again it is dropped.
                let _ = AssertUnwindSafe(self.serve()).catch_unwind().await;
            }
        }
        let _ = AssertUnwindSafe(self.part()).catch_unwind().await;
    }

    async fn serve(&mut self) {
        self.look();
        while !self.wire.is_over() {
            let happened = self.next().await;
            self.tell(happened);
            self.look();
        }
    }

    /// The WebSocket and the peers have a moment each to end well.
    async fn part(&mut self) {
        self.close();
        let until_us = now_us() + GOODBYES_US;
        self.drive_peers();
        while !self.peers.is_empty() && now_us() < until_us {
            let due_us = self.due_of_peers().min(until_us);
            tokio::select! {
                () = poll_fn(|cx| poll_peers(&mut self.peers, cx)) => {}
                () = sleep(until(due_us)) => {}
            }
            self.drive_peers();
        }
    }

    async fn next(&mut self) -> Happened {
        let due_us = self.wire.due_us().min(self.due_of_peers());
        let wait = if self.behind {
            Duration::ZERO
        } else {
            until(due_us)
        };
        let Self {
            socket,
            fetching,
            peers,
            stop,
            leaving,
            woken,
            ..
        } = self;
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop), if !*leaving => Happened::Stop,
            happened = poll_fn(|cx| socket.poll(cx)) => happened,
            fetched = answer(fetching) => Happened::Fetched(fetched),
            () = poll_fn(|cx| poll_peers(peers, cx)) => Happened::Look,
            () = woken.0.notified() => Happened::Look,
            () = sleep(wait) => Happened::Due(due_us),
        }
    }

    fn tell(&mut self, happened: Happened) {
        let now_us = now_us();
        let counters = &self.signal.counters;
        match happened {
            Happened::Look => {}
            // Of one that is always due nothing can be learnt, nor of one that waits for its turn.
            Happened::Due(due_us) if due_us > self.looked_us && !self.behind => {
                counters.timer_late_us.note(due_us, now_us);
            }
            Happened::Due(_) => {}
            Happened::Stop => {
                self.leaving = true;
                self.wire.leave(now_us);
            }
            Happened::Opened(Ok(opened)) => {
                counters.websockets_opened.add(1);
                counters.reconnects.add(u64::from(self.was_open));
                self.was_open = true;
                self.server = Some(opened.server().ip());
                self.socket = Socket::Open(opened);
                self.wire.opened(now_us);
            }
            Happened::Opened(Err(end)) => {
                counters.websockets_refused.add(1);
                self.socket = Socket::Closed;
                self.wire.ended(now_us, end);
            }
            Happened::Incoming(Incoming::Message(message)) => self.wire.received(now_us, &message),
            Happened::Incoming(Incoming::Ended { code }) => {
                counters.websockets_lost.add(1);
                // An answer to the server's close may wait.
                self.close();
                self.wire.ended(now_us, WireEnd::Lost { code });
            }
            Happened::Fetched(fetched) => {
                self.fetching = None;
                self.wire.fetched(now_us, fetched);
            }
        }
    }

    /// Timers, queues, orders, peers.
    fn look(&mut self) {
        self.looked_us = now_us();
        self.wire.advance(self.looked_us);
        self.behind = true;
        for _ in 0..MAX_ORDERS {
            let Some(order) = self.wire.order() else {
                self.behind = false;
                break;
            };
            self.obey(order);
        }
        // After the orders: what they were is in the peers' queues.
        self.drive_peers();
    }

    fn obey(&mut self, order: WireOrder) {
        match order {
            WireOrder::Open { url, timeout_ms } => {
                let within = Duration::from_millis(timeout_ms.into());
                let counters = self.signal.counters.clone();
                self.socket = Socket::Opening(Box::pin(websocket::open(
                    url,
                    self.reach.clone(),
                    within,
                    counters,
                )));
            }
            WireOrder::Send(message) => {
                if let Socket::Open(open) = &mut self.socket
                    && open.send(message).is_err()
                {
                    self.signal.counters.websockets_stalled.add(1);
                    self.socket = Socket::Closed;
                    self.wire.ended(now_us(), WireEnd::Lost { code: None });
                }
            }
            WireOrder::Close => self.close(),
            WireOrder::Fetch {
                url,
                bearer,
                timeout_ms,
            } => {
                let within = Duration::from_millis(timeout_ms.into());
                self.fetching = Some(Box::pin(fetch(url, bearer, self.reach.clone(), within)));
            }
            WireOrder::Drive(peer) => self.drive(peer),
        }
    }

    fn close(&mut self) {
        if let Socket::Open(open) = std::mem::replace(&mut self.socket, Socket::Closed) {
            self.signal.beside(async move {
                // Dropped where the server does not play its part.
                let _ = timeout(CLOSING, open.close()).await;
            });
        }
    }

    fn drive(&mut self, mut peer: Box<dyn Peer>) {
        let counters = &self.signal.counters;
        let opened = if self.peers.len() < MAX_PEERS {
            SocketLink::open(now_us(), self.server, counters.clone()).ok()
        } else {
            None
        };
        let introduced = AssertUnwindSafe(|| {
            let Some(link) = opened else {
                counters.links_refused.add(1);
                peer.fail();
                return None;
            };
            link.introduce(&mut *peer);
            Some(link)
        });
        match catch_unwind(introduced) {
            Ok(Some(link)) => {
                let tally = self.signal.one_unsettled();
                self.peers.push(Unsettled::new(peer, link, tally));
            }
            Ok(None) => {}
            Err(_) => {
                counters.peers_failed.add(1);
                let _ = catch_unwind(AssertUnwindSafe(|| peer.fail()));
            }
        }
    }

    /// Lets the peers work; those that are settled go to their shard, those that are over away.
    fn drive_peers(&mut self) {
        let counters = &self.signal.counters;
        for mut peer in std::mem::take(&mut self.peers) {
            let failed = !peer.drive(now_us());
            counters.peers_failed.add(u64::from(failed));
            if peer.is_over() {
                continue;
            }
            if !peer.is_settled() {
                self.peers.push(peer);
                continue;
            }
            match peer.hand_over(now_us(), &self.place) {
                Ok(()) => counters.peers_handed_over.add(1),
                Err(back) => {
                    counters.peers_kept_back.add(1);
                    self.peers.push(back);
                }
            }
        }
    }

    fn due_of_peers(&self) -> u64 {
        self.peers
            .iter()
            .map(Unsettled::due_us)
            .min()
            .unwrap_or(u64::MAX)
    }
}

impl Socket {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        match self {
            Self::Closed => Poll::Pending,
            Self::Opening(opening) => opening
                .as_mut()
                .poll(cx)
                .map(|opened| Happened::Opened(opened.map(Box::new))),
            Self::Open(open) => open.poll(cx).map(Happened::Incoming),
        }
    }
}

async fn answer(fetching: &mut Option<Later<Fetched>>) -> Fetched {
    match fetching {
        Some(fetching) => fetching.as_mut().await,
        None => pending().await,
    }
}

/// Ready when one of them has something to read, or to write after having waited.
fn poll_peers(peers: &mut [Unsettled], cx: &mut Context<'_>) -> Poll<()> {
    // All are asked: each registers who is to be woken.
    let ready = peers
        .iter_mut()
        .filter_map(|peer| peer.poll(cx).is_ready().then_some(()))
        .count();
    if ready > 0 {
        Poll::Ready(())
    } else {
        Poll::Pending
    }
}

fn until(due_us: u64) -> Duration {
    Duration::from_micros(due_us.saturating_sub(now_us())).max(SHORTEST_SLEEP)
}
