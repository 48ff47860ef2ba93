//! Data packets: numbering and resending, what waits to be sent, streams both ways, remote procedure calls.

pub(crate) mod deflate;
pub(crate) mod incoming;
pub(crate) mod numbering;
pub(crate) mod outgoing;
pub(crate) mod rpc;
pub(crate) mod stream_out;
