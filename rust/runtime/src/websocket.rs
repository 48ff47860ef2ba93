//! A WebSocket as a wire has it: whole messages, a bounded queue of outgoing ones, an end that is told once.

use crate::connect::{Bytes, Target, Unreachable};
use crate::network_counters::NetworkCounters;
use crate::reach::Reach;
use beluga_engine::{Secret, WireEnd};
use futures_util::{Sink, Stream};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Of one message of the server. A room of a thousand participants comes to some hundred kilobytes.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Messages that may wait because the server does not take them, and their bytes.
const MAX_WAITING: usize = 256;
const MAX_WAITING_BYTES: usize = 4 << 20;
/// Of the buffers that each connection keeps. tungstenite's own 128 kB twice would be most of what a room weighs.
const BUFFER_BYTES: usize = 4 << 10;

/// What comes of a WebSocket.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Vec<u8>),
    Ended { code: Option<u16> },
}

/// The server does not take what it is sent.
#[derive(Debug)]
pub(crate) struct Stalled;

pub(crate) struct WebSocket {
    stream: WebSocketStream<Box<dyn Bytes>>,
    server: SocketAddr,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// Something may be in tungstenite's buffer.
    unflushed: bool,
    counters: Arc<NetworkCounters>,
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("server", &self.server)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// Opens one: name, TCP, TLS and handshake within the time.
pub(crate) async fn open(
    url: Secret,
    reach: Reach,
    timeout: Duration,
    counters: Arc<NetworkCounters>,
) -> Result<WebSocket, WireEnd> {
    let deadline = Instant::now() + timeout;
    let unreachable = |end: Unreachable| WireEnd::Unreachable {
        why: end.why,
        timed_out: end.timed_out,
    };
    let because = |why: &str| unreachable(Unreachable::because(why));
    let uri: Uri = url
        .reveal()
        .parse()
        .map_err(|_| because("the server's address is no URL"))?;
    let target = Target::of(&uri, "ws", "wss").map_err(unreachable)?;
    let mut request = uri
        .into_client_request()
        .map_err(|_| because("the server's address is no URL of a WebSocket"))?;
    let agent = HeaderValue::from_str(&reach.user_agent)
        .map_err(|_| because("the name of this program cannot stand in a header"))?;
    request.headers_mut().insert(header::USER_AGENT, agent);
    let (stream, server) = target
        .connect(&reach.trust, deadline)
        .await
        .map_err(unreachable)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let handshake = client_async_with_config(request, stream, Some(config));
    let answered = target
        .within(deadline, "the WebSocket was not opened", handshake)
        .await
        .map_err(unreachable)?;
    match answered {
        Ok((stream, _response)) => Ok(WebSocket {
            stream,
            server,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            unflushed: false,
            counters,
        }),
        Err(Error::Http(response)) => Err(WireEnd::Refused {
            status: response.status().as_u16(),
        }),
        Err(Error::Io(why)) => Err(because(&format!(
            "{target}: the connection broke before the WebSocket was open: {why}"
        ))),
        // What else tungstenite says may quote the answer.
        Err(_) => Err(because(&format!(
            "{target}: what answers there is no WebSocket server"
        ))),
    }
}

impl WebSocket {
    /// The server's address.
    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    /// Queues a message; it is sent by [`poll`](Self::poll).
    pub(crate) fn send(&mut self, message: Vec<u8>) -> Result<(), Stalled> {
        let bytes = self.waiting_bytes + message.len();
        if self.waiting.len() == MAX_WAITING || bytes > MAX_WAITING_BYTES {
            return Err(Stalled);
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back(message);
        self.counters.messages_out_waiting.note(self.waiting.len());
        Ok(())
    }

    /// Sends what can be sent, then gives what has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        let broken = matches!(self.poll_send(cx), Poll::Ready(Err(())));
        loop {
            match Pin::new(&mut self.stream).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Binary(bytes)))) => return self.message(bytes.into()),
                Poll::Ready(Some(Ok(Message::Text(text)))) => {
                    return self.message(Vec::from(text.as_bytes()));
                }
                Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                    // Its answer was left in the buffer; `close` sends it.
                    self.unflushed = true;
                    let code = frame.map(|frame| frame.code.into());
                    return Poll::Ready(Incoming::Ended { code });
                }
                // An answer to a ping was left in the buffer.
                Poll::Ready(Some(Ok(_))) => {
                    self.unflushed = true;
                    if matches!(self.poll_send(cx), Poll::Ready(Err(()))) {
                        return Poll::Ready(Incoming::Ended { code: None });
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    return Poll::Ready(Incoming::Ended { code: None });
                }
                // Only now: what the server said before it closed the connection is heard.
                Poll::Pending if broken => return Poll::Ready(Incoming::Ended { code: None }),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn message(&self, bytes: Vec<u8>) -> Poll<Incoming> {
        self.counters.messages_in.add(1);
        Poll::Ready(Incoming::Message(bytes))
    }

    /// Ready when all is sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.waiting.is_empty() {
            match stream.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Pending => return Poll::Pending,
            }
            let message = self.waiting.pop_front().unwrap_or_default();
            self.waiting_bytes -= message.len();
            self.unflushed = true;
            if stream
                .as_mut()
                .start_send(Message::binary(message))
                .is_err()
            {
                return Poll::Ready(Err(()));
            }
            self.counters.messages_out.add(1);
            self.counters.messages_out_waiting.note(self.waiting.len());
        }
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = stream.poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed.map_err(|_| ())
    }

    /// Sends what waits, closes in an orderly way and waits for the server's part of that.
    pub(crate) async fn close(mut self) {
        let normal = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        if poll_fn(|cx| self.poll_send(cx)).await.is_ok()
            && self.stream.close(Some(normal)).await.is_ok()
        {
            // What comes before the server's own close is not for anybody any more.
            while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await {}
        }
    }
}
