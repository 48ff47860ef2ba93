//! Wires and peers over real sockets on loopback.
//!
//! Nothing here asserts how long something took; deadlines only keep a test that would hang from hanging.

mod lifecycle;
mod peers;
mod support;
mod wires;
