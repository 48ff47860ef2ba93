//! Datagrams over a TCP connection that we opened, each behind its length in two bytes (RFC 4571, as RFC 6544 has it).

use crate::datagrams::MAX_DATAGRAM_BYTES;
use crate::network_counters::NetworkCounters;

use beluga_engine::{Carrier, Datagram};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, ipproto, socket_with};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

/// The port of an active candidate: connections come from ports of their own. RFC 6544, section 4.5.
pub(crate) const ACTIVE_PORT: u16 = 9;
/// A connection that is not there by then never will be.
const CONNECT_US: u64 = 10_000_000;
/// Nothing was sent for so long: ICE has chosen another way.
const IDLE_US: u64 = 30_000_000;
/// What may wait to be sent: half a second of what a room sends.
const OUT_BYTES: usize = 64 << 10;
const IN_BYTES: usize = 4 << 10;
/// Reads at one time; what is more waits for the next.
const MAX_READS: usize = 16;
const LENGTH_BYTES: usize = 2;

#[derive(Debug)]
pub(crate) struct TcpLeg {
    stream: TcpStream,
    /// With port 9, as the peer knows it.
    local: SocketAddr,
    remote: SocketAddr,
    outgoing: VecDeque<u8>,
    incoming: Frames,
    opened_us: u64,
    sent_us: u64,
    connected: bool,
    broken: bool,
}

impl TcpLeg {
    /// Begins to connect.
    pub(crate) fn open(now_us: u64, local: IpAddr, remote: SocketAddr) -> io::Result<Self> {
        let family = match remote {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        bind(&socket, &SocketAddr::new(local, 0))?;
        match connect(&socket, &remote) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(why) => return Err(why.into()),
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            local: SocketAddr::new(local, ACTIVE_PORT),
            remote,
            outgoing: VecDeque::with_capacity(OUT_BYTES),
            incoming: Frames::default(),
            opened_us: now_us,
            sent_us: now_us,
            connected: false,
            broken: false,
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    pub(crate) fn leads(&self, local: IpAddr, remote: SocketAddr) -> bool {
        self.local.ip() == local && self.remote == remote
    }

    /// It failed, or was closed by the other side.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether it is needed no more.
    pub(crate) fn is_idle(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.sent_us) > IDLE_US
    }

    /// Whether something waits to be sent, be it for the connection to be there.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Queues a datagram whole, or drops it, and sends what can be sent.
    pub(crate) fn transmit(&mut self, now_us: u64, payload: &[u8], counters: &NetworkCounters) {
        let Ok(length) = u16::try_from(payload.len()) else {
            counters.sends_failed.add(1);
            return;
        };
        self.sent_us = now_us;
        if self.outgoing.len() + LENGTH_BYTES + payload.len() > OUT_BYTES {
            counters.tcp_dropped.add(1);
            return;
        }
        self.outgoing.extend(length.to_be_bytes());
        self.outgoing.extend(payload);
        counters.datagrams_out.add(1);
        self.flush(now_us);
        counters.tcp_waiting_bytes.note(self.outgoing.len());
    }

    /// Sends what waits; gives what has come. True if more may wait.
    pub(crate) fn receive(
        &mut self,
        now_us: u64,
        counters: &NetworkCounters,
        sink: &mut dyn FnMut(u64, Datagram<'_>),
    ) -> bool {
        self.flush(now_us);
        let (local, remote) = (self.local, self.remote);
        for _ in 0..MAX_READS {
            if self.broken {
                return false;
            }
            let read = self.incoming.read(&mut &self.stream, &mut |frame| {
                let Some(payload) = frame else {
                    counters.datagrams_truncated.add(1);
                    return;
                };
                counters.datagrams_in.add(1);
                let datagram = Datagram {
                    carrier: Carrier::Tcp,
                    local,
                    remote,
                    payload,
                };
                sink(now_us, datagram);
            });
            match read {
                Ok(0) => self.broken = true,
                Ok(_) => self.connected = true,
                Err(why) if self.must_wait(&why, now_us) => return false,
                Err(_) => self.broken = true,
            }
        }
        counters.receive_batches_full.add(1);
        true
    }

    fn flush(&mut self, now_us: u64) {
        while !self.broken && !self.outgoing.is_empty() {
            match (&self.stream).write(self.outgoing.as_slices().0) {
                Ok(0) => self.broken = true,
                Ok(sent) => {
                    self.connected = true;
                    self.outgoing.drain(..sent);
                }
                Err(why) if self.must_wait(&why, now_us) => break,
                Err(_) => self.broken = true,
            }
        }
    }

    /// Whether the error means no more than: not now.
    fn must_wait(&self, why: &io::Error, now_us: u64) -> bool {
        let connecting = !self.connected && now_us.saturating_sub(self.opened_us) <= CONNECT_US;
        match why.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => self.connected || connecting,
            // What some systems say of a connection that is on its way.
            ErrorKind::NotConnected => connecting,
            _ => false,
        }
    }
}

/// Cuts a stream into what was framed.
#[derive(Debug)]
struct Frames {
    buffer: Box<[u8]>,
    filled: usize,
    /// Bytes of a frame that is too long, still to come.
    skip: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            buffer: vec![0; IN_BYTES].into(),
            filled: 0,
            skip: 0,
        }
    }
}

impl Frames {
    /// Reads once and gives each frame that is whole; none for one that is longer than any datagram. Says how many bytes came.
    fn read(
        &mut self,
        stream: &mut impl Read,
        sink: &mut dyn FnMut(Option<&[u8]>),
    ) -> io::Result<usize> {
        let read = stream.read(&mut self.buffer[self.filled..])?;
        self.filled += read;
        let mut from = 0;
        loop {
            let skipped = self.skip.min(self.filled - from);
            self.skip -= skipped;
            from += skipped;
            let rest = &self.buffer[from..self.filled];
            let Some((length, rest)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(*length));
            if length > MAX_DATAGRAM_BYTES {
                sink(None);
                self.skip = length;
                from += LENGTH_BYTES;
                continue;
            }
            let Some(frame) = rest.get(..length) else {
                break;
            };
            // An empty frame is no datagram.
            if length > 0 {
                sink(Some(frame));
            }
            from += LENGTH_BYTES + length;
        }
        self.buffer.copy_within(from..self.filled, 0);
        self.filled -= from;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives bytes in pieces of these sizes.
    struct Pieces<'a> {
        bytes: &'a [u8],
        sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = *self.sizes.next().unwrap_or(&1);
            let taken = size.min(buffer.len()).min(self.bytes.len());
            let (now, later) = self.bytes.split_at(taken);
            buffer[..taken].copy_from_slice(now);
            self.bytes = later;
            Ok(taken)
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_more_of_them_than_there_are(
            bytes in prop::collection::vec(prop_oneof![3 => 0u8..4, 1 => any::<u8>()], 0..20_000),
            sizes in prop::collection::vec(1usize..5_000, 1..10)
        ) {
            let mut pieces = Pieces { bytes: &bytes, sizes: sizes.iter().cycle() };
            let (mut frames, mut came) = (Frames::default(), 0);
            let mut count = |frame: Option<&[u8]>| came += LENGTH_BYTES + frame.map_or(0, <[u8]>::len);
            while frames.read(&mut pieces, &mut count).expect("a read") > 0 {}
            prop_assert!(came <= bytes.len());
        }

        #[test]
        fn a_stream_in_any_pieces_gives_the_frames_that_were_put_in(
            lengths in prop::collection::vec(prop_oneof![
                1 => Just(0usize), 6 => 1usize..1_500, 1 => 2_040usize..2_056, 1 => 2_057usize..65_536
            ], 0..20),
            sizes in prop::collection::vec(1usize..5_000, 1..10)
        ) {
            let mut stream = Vec::new();
            for (index, &length) in lengths.iter().enumerate() {
                stream.extend((length as u16).to_be_bytes());
                stream.extend(std::iter::repeat_n(index as u8, length));
            }
            let mut pieces = Pieces { bytes: &stream, sizes: sizes.iter().cycle() };
            let (mut frames, mut came) = (Frames::default(), Vec::new());
            while frames.read(&mut pieces, &mut |frame| came.push(frame.map(<[u8]>::to_vec))).expect("a read") > 0 {}
            let expected: Vec<_> = lengths
                .iter()
                .enumerate()
                .filter(|&(_, &length)| length > 0)
                .map(|(index, &length)| (length <= MAX_DATAGRAM_BYTES).then(|| vec![index as u8; length]))
                .collect();
            prop_assert_eq!(came, expected);
        }
    }
}
