//! What the signalling thread and the sockets did, readable from any thread.

use beluga_engine::{Age, Counter, Depth};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $measure:ident,)+) => {
        /// What is measured of wires, peers and sockets of a runtime. Written by the signalling thread and the shards.
        #[derive(Debug, Default)]
        pub struct NetworkCounters { $($(#[$doc])* pub $name: $measure,)+ }

        impl NetworkCounters {
            /// Name and value of each reading, in a fixed order. A depth gives two: what is now, and under `_max` the most that
            /// ever was. An age gives three: `_count`, `_sum` and `_max`.
            #[must_use]
            pub fn snapshot(&self) -> Vec<(String, u64)> {
                let mut readings = Vec::new();
                $(counters!(@read $measure, stringify!($name), self.$name, readings);)+
                readings
            }
        }
    };
    (@read Counter, $name:expr, $measure:expr, $readings:ident) => {
        $readings.push(($name.to_owned(), $measure.get()));
    };
    (@read Depth, $name:expr, $measure:expr, $readings:ident) => {
        let (now, max) = $measure.get();
        $readings.push(($name.to_owned(), now));
        $readings.push((format!("{}_max", $name), max));
    };
    (@read Age, $name:expr, $measure:expr, $readings:ident) => {
        let (count, sum, max) = $measure.get();
        $readings.push((format!("{}_count", $name), count));
        $readings.push((format!("{}_sum", $name), sum));
        $readings.push((format!("{}_max", $name), max));
    };
}

counters! {
    /// Wires being driven.
    wires: Depth,
    /// Wires ended because their own code failed.
    wires_failed: Counter,
    /// How long after their time timers of wires and of unsettled peers were served, in microseconds: what the signalling
    /// thread is behind.
    timer_late_us: Age,
    /// WebSockets that were opened.
    websockets_opened: Counter,
    /// Those of them that were not the first of their wire.
    reconnects: Counter,
    /// WebSockets that could not be opened: refused, or not reached.
    websockets_refused: Counter,
    /// WebSockets that ended without being asked to.
    websockets_lost: Counter,
    /// WebSockets given up because the server did not take what was to be sent.
    websockets_stalled: Counter,
    /// Messages received.
    messages_in: Counter,
    /// Messages sent.
    messages_out: Counter,
    /// Messages of one wire that wait to be sent.
    messages_out_waiting: Depth,
    /// Peers on the signalling thread: not settled yet, or without a place on their shard.
    peers_unsettled: Depth,
    /// Peers handed to their shard.
    peers_handed_over: Counter,
    /// Times that a shard had no place for a peer: it stays where it is and asks again.
    peers_kept_back: Counter,
    /// Peers that failed by their own code before a shard had them.
    peers_failed: Counter,
    /// Peers refused because no socket could be opened for them, or their wire has too many.
    links_refused: Counter,
    /// Datagrams received, over UDP and TCP.
    datagrams_in: Counter,
    /// Datagrams sent, over UDP and TCP.
    datagrams_out: Counter,
    /// Datagrams left for the next time because one time takes no more.
    receive_batches_full: Counter,
    /// Datagrams of a size that no peer sends, thrown away.
    datagrams_truncated: Counter,
    /// Datagrams lost because the socket had no room for them.
    sends_would_block: Counter,
    /// Datagrams lost because the system refused to send them.
    sends_failed: Counter,
    /// Reads that the system refused.
    receives_failed: Counter,
    /// Connections opened for datagrams over TCP.
    tcp_opened: Counter,
    /// Those of them that failed or broke.
    tcp_failed: Counter,
    /// Datagrams dropped because a TCP connection had too many waiting, the newest ones.
    tcp_dropped: Counter,
    /// Bytes that wait to be sent in one TCP connection.
    tcp_waiting_bytes: Depth,
}
