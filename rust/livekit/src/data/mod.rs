//! Data packets: numbering and resending, what waits to be sent, what came before.

pub(crate) mod numbering;
pub(crate) mod outgoing;
