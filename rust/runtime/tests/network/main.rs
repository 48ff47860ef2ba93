//! Wires and peers over real sockets on loopback.
//!
//! Nothing here asserts how long something took; deadlines only keep a test that would hang from hanging.

mod fetches;
mod lifecycle;
mod peers;
mod support;
mod tls;
mod wires;

#[global_allocator]
static ALLOCATOR: beluga_counting_alloc::CountingAllocator =
    beluga_counting_alloc::CountingAllocator;
