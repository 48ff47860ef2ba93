//! The portable twin of [`batch`](crate::batch): one datagram in a call, without the time of its arrival.
#![cfg_attr(
    target_os = "linux",
    allow(
        dead_code,
        reason = "what other systems use, and the tests of its twin"
    )
)]

use crate::datagrams::{Arrived, BATCH, Buffers, MAX_DATAGRAM_BYTES};
use std::io::{self, ErrorKind};
use std::net::UdpSocket;

/// There are no stamps to be had.
pub(crate) fn stamp_arrivals(_socket: &UdpSocket) -> io::Result<()> {
    Ok(())
}

/// Takes up to [`BATCH`] datagrams, and says how many. Fewer means that no more are there.
pub(crate) fn receive(
    socket: &UdpSocket,
    buffers: &mut Buffers,
    sink: &mut dyn FnMut(Arrived<'_>),
) -> io::Result<usize> {
    let [buffer, ..] = buffers;
    for taken in 0..BATCH {
        let (len, remote) = match socket.recv_from(buffer) {
            Ok(received) => received,
            Err(why) if taken > 0 && why.kind() == ErrorKind::WouldBlock => return Ok(taken),
            Err(why) => return Err(why),
        };
        sink(Arrived {
            remote,
            wall_us: None,
            payload: (len <= MAX_DATAGRAM_BYTES).then_some(&buffer[..len]),
        });
    }
    Ok(BATCH)
}
