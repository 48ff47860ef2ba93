//! What both ways of receiving have in common.

use std::net::SocketAddr;

/// The longest datagram that is received whole: more than any path carries in one piece.
pub(crate) const MAX_DATAGRAM_BYTES: usize = 2_048;
/// Datagrams in one call. A peer has one or two a tick; more come after a stall.
pub(crate) const BATCH: usize = 8;

/// Room for as many. One byte more than is allowed tells what is too long from what just fits.
pub(crate) type Buffers = [[u8; MAX_DATAGRAM_BYTES + 1]; BATCH];

/// One datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub remote: SocketAddr,
    /// When it came, in microseconds of the wall clock, where the kernel says it.
    pub wall_us: Option<u64>,
    /// None if it was too long.
    pub payload: Option<&'a [u8]>,
}
