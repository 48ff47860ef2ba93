//! What a peer's packets of sound go to and come from: the doors of a session, or somebody who speaks and listens without one.

use crate::packet_out::EncodedPacket;
use beluga_jitter::Packet;
use std::fmt::Debug;

/// Takes the packets of one stream as they come. Called by the thread that drives the peer: it neither waits nor allocates.
pub trait PacketSink: Send + Debug {
    /// A packet came. One that cannot be kept is counted and dropped.
    fn take(&mut self, packet: Packet<'_>);
}

/// Gives the packets of one stream when they are due. Called by the thread that drives the peer: it neither waits nor allocates.
pub trait PacketSource: Send + Debug {
    /// The next packet that is to be sent at `now_us`; asked for until there is none, at least once in every tick.
    fn next(&mut self, now_us: u64) -> Option<EncodedPacket>;
}
