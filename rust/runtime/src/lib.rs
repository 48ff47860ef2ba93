//! Threads and sockets: shards that tick, and one thread for all signalling. The only crate that reads a clock or opens a
//! descriptor. It knows no protocol: peers and wires are driven, not understood.

#[cfg(target_os = "linux")]
mod batch;
mod c_address;
mod cgroup;
mod clock;
mod connect;
mod datagrams;
mod event_fd;
mod fetch;
mod interfaces;
mod link;
mod local_address;
mod network_counters;
mod one_by_one;
mod reach;
mod runtime;
mod shard_thread;
mod signal_thread;
mod tcp;
mod trust;
mod udp;
mod unsettled;
mod vital;
mod watched;
mod websocket;
mod wire_task;

pub use cgroup::{Throttling, throttling};
pub use clock::{epoch, now_us};
pub use event_fd::EventFd;
pub use network_counters::NetworkCounters;
pub use reach::Reach;
pub use runtime::{DriveError, OpenError, Place, Runtime};
pub use trust::{Trust, TrustError};

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: beluga_counting_alloc::CountingAllocator =
    beluga_counting_alloc::CountingAllocator;
