//! A byte stream to a server: name, TCP, TLS. Every message names host and port and nothing else of an address, since the
//! rest of it may hold a token.

use crate::trust::Trust;
use rustls::pki_types::ServerName;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, Sleep, sleep, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::http::Uri;

/// How long one address is waited for before the next is tried beside it. RFC 8305, section 8.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

const NO_ROOTS: &str = "this machine has no root certificates, so no server can be trusted: install them (the package \
                        'ca-certificates' on most systems) or give a file of your own";

/// Plain or through TLS.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Why there is no connection. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreachable {
    pub why: String,
    pub timed_out: bool,
}

impl Unreachable {
    pub(crate) fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            timed_out: false,
        }
    }
}

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    secure: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// As a Host header names it.
    authority: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Target {
    /// Of an address whose scheme is `plain` or `secure`.
    pub(crate) fn of(uri: &Uri, plain: &str, secure: &str) -> Result<Self, Unreachable> {
        let scheme = uri.scheme_str().unwrap_or_default();
        let is_secure = scheme == secure;
        if !is_secure && scheme != plain {
            let allowed = format!("the address does not begin with '{plain}://' or '{secure}://'");
            return Err(Unreachable::because(allowed));
        }
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err(Unreachable::because("the address names no host"));
        }
        let port = uri.port_u16();
        Ok(Self {
            authority: port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            secure: is_secure,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: port.unwrap_or(if is_secure { 443 } else { 80 }),
        })
    }

    /// Host, and port where the address names one.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// A connection to it, and the address that answered.
    pub(crate) async fn connect(
        &self,
        trust: &Trust,
        deadline: Instant,
    ) -> Result<(Box<dyn Bytes>, SocketAddr), Unreachable> {
        let addresses = self.resolve(deadline).await?;
        let (stream, address) = self.reach(addresses, deadline).await?;
        // Signalling is short messages that somebody waits for.
        let _ = stream.set_nodelay(true);
        if self.secure {
            let stream = self.secure(stream, trust, deadline).await?;
            return Ok((stream, address));
        }
        Ok((Box::new(stream), address))
    }

    /// Waits for `work` until the deadline; what did not happen by then is said.
    pub(crate) async fn within<T>(
        &self,
        deadline: Instant,
        missing: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, Unreachable> {
        timeout_at(deadline, work).await.map_err(|_| Unreachable {
            why: format!("{self}: {missing} in time"),
            timed_out: true,
        })
    }

    async fn resolve(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Unreachable> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let lookup = lookup_host((self.host.as_str(), self.port));
        let found = self
            .within(deadline, "its name was not resolved", lookup)
            .await?
            .map_err(|why| {
                Unreachable::because(format!("{self}: its name cannot be resolved: {why}"))
            })?;
        let addresses = interleaved(found.collect());
        if addresses.is_empty() {
            let why = format!("{self}: its name has no address");
            return Err(Unreachable::because(why));
        }
        Ok(addresses)
    }

    /// The first address that answers; the next is tried when one fails or lets itself be waited for.
    async fn reach(
        &self,
        addresses: Vec<SocketAddr>,
        deadline: Instant,
    ) -> Result<(TcpStream, SocketAddr), Unreachable> {
        let race = Race {
            waiting: addresses.into_iter(),
            running: Vec::new(),
            next: None,
            last: None,
        };
        self.within(deadline, "no connection was made", race.first())
            .await?
            .map_err(|why| Unreachable::because(format!("{self}: no connection: {why}")))
    }

    async fn secure(
        &self,
        stream: TcpStream,
        trust: &Trust,
        deadline: Instant,
    ) -> Result<Box<dyn Bytes>, Unreachable> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Unreachable::because(format!("{self}: no certificate has such a name")))?;
        let trust = trust.clone();
        let config = self
            .within(
                deadline,
                "the system's certificates were not read",
                tokio::task::spawn_blocking(move || trust.config()),
            )
            .await?
            .map_err(|_| Unreachable::because("the system's certificates cannot be read"))?
            .ok_or_else(|| Unreachable::because(NO_ROOTS))?;
        let handshake = TlsConnector::from(config).connect(name, stream);
        let stream = self
            .within(deadline, "TLS was not agreed on", handshake)
            .await?
            .map_err(|why| Unreachable::because(format!("{self}: TLS failed: {why}")))?;
        Ok(Box::new(stream))
    }
}

/// IPv6 and IPv4 in turn, beginning with the family that the system prefers. RFC 8305, section 4.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    while mixed.len() < MAX_ADDRESSES {
        let before = mixed.len();
        mixed.extend(first.next());
        mixed.extend(second.next());
        if mixed.len() == before {
            break;
        }
    }
    mixed
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send>>;

/// Attempts beside each other; those that lose are dropped.
struct Race {
    waiting: std::vec::IntoIter<SocketAddr>,
    running: Vec<Attempt>,
    /// When the next begins though nothing failed.
    next: Option<Pin<Box<Sleep>>>,
    last: Option<io::Error>,
}

impl Race {
    async fn first(mut self) -> io::Result<(TcpStream, SocketAddr)> {
        self.begin_next();
        poll_fn(move |cx| {
            loop {
                let mut moved = false;
                let mut index = 0;
                while index < self.running.len() {
                    match self.running[index].as_mut().poll(cx) {
                        Poll::Ready(Ok(won)) => return Poll::Ready(Ok(won)),
                        Poll::Ready(Err(why)) => {
                            self.last = Some(why);
                            drop(self.running.swap_remove(index));
                            moved |= self.begin_next();
                        }
                        Poll::Pending => index += 1,
                    }
                }
                if let Some(next) = &mut self.next
                    && next.as_mut().poll(cx).is_ready()
                {
                    moved |= self.begin_next();
                }
                if self.running.is_empty() {
                    let why = self.last.take();
                    return Poll::Ready(Err(
                        why.unwrap_or_else(|| io::Error::other("there is no address"))
                    ));
                }
                if !moved {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// False if there is none left.
    fn begin_next(&mut self) -> bool {
        self.next = None;
        let Some(address) = self.waiting.next() else {
            return false;
        };
        self.running.push(Box::pin(async move {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            Ok((socket.connect(address).await?, address))
        }));
        if self.waiting.len() > 0 {
            self.next = Some(Box::pin(sleep(ATTEMPT_DELAY)));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn families_are_tried_in_turn_and_no_more_than_eight_addresses() {
        let v6 = |n: u16| address(&format!("[2001:db8::{n}]:1"));
        let v4 = |n: u8| address(&format!("192.0.2.{n}:1"));
        let found = vec![v6(1), v6(2), v6(3), v4(1), v4(2)];
        assert_eq!(interleaved(found), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(interleaved((1..40).map(v4).collect()).len(), 8);
        assert!(interleaved(Vec::new()).is_empty());
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        let uri = "wss://user:word@[::1]:7443/rtc?access_token=secret"
            .parse()
            .expect("a URI");
        let target = Target::of(&uri, "ws", "wss").expect("a target");
        assert_eq!(target.to_string(), "[::1]:7443");
        assert_eq!(target.authority(), "[::1]:7443");
        assert!(target.secure);
        let uri = "ws://example.com/rtc".parse().expect("a URI");
        let target = Target::of(&uri, "ws", "wss").expect("a target");
        assert_eq!(target.to_string(), "example.com:80");
        assert_eq!(target.authority(), "example.com");
        let uri = "ftp://example.com/?secret".parse().expect("a URI");
        let refused = Target::of(&uri, "ws", "wss").expect_err("no such scheme");
        assert!(!refused.why.contains("secret") && refused.why.contains("'wss://'"));
    }
}
