//! What a shard drives beside its sessions: the other end of one connection, and the sockets that lead to it.
//!
//! A [`Peer`] is datagrams in and out, timers, the packets of the sessions' doors. What it speaks (ICE, DTLS, SRTP) is its own
//! business; it reads no clock and opens no socket. A [`Link`] carries its datagrams and knows nothing of what is in them.

use core::net::SocketAddr;
use std::fmt::Debug;

/// What datagrams travel over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// UDP.
    Udp,
    /// A TCP connection that we opened, datagrams framed by their length (RFC 4571).
    Tcp,
}

/// A datagram and its way.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// What it travels over.
    pub carrier: Carrier,
    /// Our address.
    pub local: SocketAddr,
    /// The other side's.
    pub remote: SocketAddr,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// How far the machine is with its work; what can wait does (step 4 of the overload ladder).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// There is time for everything.
    All,
    /// Sound only: data waits.
    SoundOnly,
}

/// The end of a connection that is ours. One thread at a time drives it.
pub trait Peer: Send + Debug {
    /// A socket of its own was bound to this address: it can be reached there. Over TCP it cannot: connections are opened from
    /// there to wherever it sends, which is what port 9 says (RFC 6544, section 4.5); ports of their own are not seen.
    fn bound(&mut self, carrier: Carrier, local: SocketAddr);

    /// Takes a datagram that arrived at `arrival_us`.
    fn receive(&mut self, arrival_us: u64, datagram: Datagram<'_>);

    /// First half of a tick, when all that arrived was taken: obeys what was asked of it and lets its timers pass.
    fn advance(&mut self, now_us: u64);

    /// Second half of a tick, when the sessions have left their packets: gives everything that is to be sent now.
    fn send(&mut self, now_us: u64, urgency: Urgency, transmit: &mut dyn FnMut(Datagram<'_>));

    /// When it wants to be driven again though nothing arrives. A shard drives it at every tick anyway.
    fn due_us(&self) -> u64;

    /// Whether the work of connecting is done, so that a shard can take it on (a handshake costs 4 ms: 40 % of a tick).
    fn is_settled(&self) -> bool;

    /// Whether it is over and can be put away.
    fn is_over(&self) -> bool;

    /// Ends it because its own code failed; whoever holds it is told.
    fn fail(&mut self);
}

/// The sockets of one peer. Never waits.
pub trait Link: Send + Debug {
    /// Gives every datagram that has arrived, each with the time of its arrival. `now_us` is the clock.
    fn receive(&mut self, now_us: u64, sink: &mut dyn FnMut(u64, Datagram<'_>));

    /// Sends a datagram, or loses it as networks do; a TCP connection that it needs is opened on the way.
    fn transmit(&mut self, datagram: Datagram<'_>);
}
