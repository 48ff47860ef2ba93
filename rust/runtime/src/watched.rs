//! A socket that the signalling thread waits for, and that a shard reads later without waiting.

use std::io::{self, ErrorKind};
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};

/// A second descriptor of the same socket, registered with the thread's reactor until this is dropped.
#[derive(Debug)]
pub(crate) enum Watched {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Watched {
    pub(crate) fn udp(socket: &std::net::UdpSocket) -> io::Result<Self> {
        UdpSocket::from_std(socket.try_clone()?).map(Self::Udp)
    }

    pub(crate) fn tcp(stream: &std::net::TcpStream) -> io::Result<Self> {
        TcpStream::from_std(stream.try_clone()?).map(Self::Tcp)
    }

    /// Ready when there is something to read, or room to write if that is waited for. Whoever is told drains the socket through
    /// its own descriptor: readiness is taken back here, and what comes from now on makes it ready again.
    pub(crate) fn poll(&self, cx: &mut Context<'_>, to_write: bool) -> Poll<()> {
        let mut ready = false;
        // An error is told by reading.
        if self.poll_read(cx).is_ready() {
            self.take_back(Interest::READABLE);
            ready = true;
        }
        if to_write && self.poll_write(cx).is_ready() {
            self.take_back(Interest::WRITABLE);
            ready = true;
        }
        if ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Udp(socket) => socket.poll_recv_ready(cx),
            Self::Tcp(stream) => stream.poll_read_ready(cx),
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Udp(socket) => socket.poll_send_ready(cx),
            Self::Tcp(stream) => stream.poll_write_ready(cx),
        }
    }

    /// What has said "would block" is not ready any more.
    fn take_back(&self, interest: Interest) {
        let would_block = || Err::<(), _>(ErrorKind::WouldBlock.into());
        let _ = match self {
            Self::Udp(socket) => socket.try_io(interest, would_block),
            Self::Tcp(stream) => stream.try_io(interest, would_block),
        };
    }
}
