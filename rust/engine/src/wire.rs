//! What the signalling thread drives: a protocol that speaks in messages over one connection after another.
//!
//! A [`Wire`] is told what happened and asked what it wants; it reads no clock and opens no socket. The thread that drives it
//! knows sockets, TLS and WebSockets, and nothing of what the messages mean.

use crate::peer::Peer;
use std::fmt;

/// Why there is no connection, or none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireEnd {
    /// The server answered the handshake with this HTTP status instead of opening it.
    Refused {
        /// The status.
        status: u16,
    },
    /// It could not be reached: name, address, TLS, or no answer in time. The text says which, and holds no secret.
    Unreachable {
        /// For people.
        why: String,
        /// Whether time ran out.
        timed_out: bool,
    },
    /// It was open and is not any more.
    Lost {
        /// The WebSocket's closing code, if there was one.
        code: Option<u16>,
    },
}

/// The answer to [`WireOrder::Fetch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// An HTTP answer. Its body may quote what was sent: it is for parsing and not for logs.
    Response {
        /// HTTP status.
        status: u16,
        /// `max-age` of its Cache-Control header, in seconds.
        max_age_s: Option<u32>,
        /// At most 64 kB of it.
        body: Vec<u8>,
    },
    /// None came.
    Failed {
        /// For people, without secrets.
        why: String,
    },
}

/// Text that must not reach logs: an address with a token in it, or a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a wire wants done.
#[derive(Debug)]
pub enum WireOrder {
    /// Open a WebSocket. A connection that is still open is dropped first; [`Wire::opened`] or [`Wire::ended`] answers.
    Open {
        /// `ws:` or `wss:`, with everything in it.
        url: Secret,
        /// For the whole of it: name, connection, TLS, handshake.
        timeout_ms: u32,
    },
    /// Send a binary message. Where no WebSocket is open it is dropped; where the server takes nothing for so long that 256
    /// messages or 4 MB wait, the connection is given up and [`Wire::ended`] says that it was lost.
    Send(Vec<u8>),
    /// Send what waits and close the WebSocket in an orderly way (code 1000). [`Wire::ended`] is not called for it.
    Close,
    /// HTTP GET, beside whatever else happens; [`Wire::fetched`] answers. One at a time: the next takes the place of one that
    /// was not answered yet. Redirections are not followed.
    Fetch {
        /// `http:` or `https:`.
        url: Secret,
        /// Sent as `Authorization: Bearer`.
        bearer: Secret,
        /// For the whole of it.
        timeout_ms: u32,
    },
    /// Drive this peer, on sockets of its own from which the server can be reached; hand it to the wire's shard when it is
    /// settled. A wire may have several for a moment, at most eight before they are settled: an old one ends by itself. One
    /// that gets no sockets is told to [`fail`](Peer::fail).
    Drive(Box<dyn Peer>),
}

/// See the module. One thread drives it; whatever else reaches it does so through queues of its own, and wakes the thread.
pub trait Wire: Send + fmt::Debug {
    /// The WebSocket that was asked for is open.
    fn opened(&mut self, now_us: u64);

    /// A message came, of at most 1 MB (a longer one ends the connection): binary ones and text ones alike.
    fn received(&mut self, now_us: u64, message: &[u8]);

    /// There is no WebSocket, or none any more.
    fn ended(&mut self, now_us: u64, end: WireEnd);

    /// What [`WireOrder::Fetch`] brought.
    fn fetched(&mut self, now_us: u64, fetched: Fetched);

    /// Looks at its queues and timers. Called after each of the above, when the time of `due_us` has come, and when somebody
    /// woke the thread for it.
    fn advance(&mut self, now_us: u64);

    /// The next thing to be done, until there is none.
    fn order(&mut self) -> Option<WireOrder>;

    /// When it wants to be advanced though nothing happens.
    fn due_us(&self) -> u64;

    /// The process ends: leave now. What is to be sent for that is ordered at once, and the wire is over soon after.
    fn leave(&mut self, now_us: u64);

    /// Whether it is over and can be put away.
    fn is_over(&self) -> bool;

    /// Ends it because its own code failed; whoever holds it is told.
    fn fail(&mut self, now_us: u64);
}
