//! Wires and their peers come and go; threads and descriptors are as many as before. Alone in its process: it counts them.

#[path = "network/support/mod.rs"]
mod support;

use beluga_runtime::Runtime;
use std::sync::atomic::Ordering;
use support::{Behaviour, Script, ScriptedPeer, Seen, Server, reach, wait_for};

const AT_ONCE: usize = 20;

fn entries(directory: &str) -> usize {
    std::fs::read_dir(directory).expect("a directory").count()
}

/// Opens wires with a WebSocket and a peer each; half of the peers get to their shard.
fn open(runtime: &Runtime, server: &Server) -> Vec<(std::sync::Arc<Script>, ScriptedPeer)> {
    let open: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (wire, _) = Script::drive(runtime, reach());
            wire.open(&server.ws());
            (wire, ScriptedPeer::default())
        })
        .collect();
    for (index, (wire, peer)) in open.iter().enumerate() {
        assert_eq!(wire.next(), Seen::Opened);
        wire.peer(peer.peer());
        let thread = if index % 2 == 0 {
            peer.settle();
            "beluga-shard"
        } else {
            "beluga-signal"
        };
        wait_for("it is driven", || peer.was_driven_on(thread));
    }
    open
}

fn close(runtime: &Runtime, open: Vec<(std::sync::Arc<Script>, ScriptedPeer)>) {
    for (wire, peer) in &open {
        peer.end();
        wire.end();
    }
    wait_for("all are put away", || runtime.wires() == 0);
    for (_, peer) in open {
        wait_for("it is freed", || peer.0.freed.load(Ordering::Acquire) == 1);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn two_hundred_wires_leave_no_thread_and_no_descriptor_behind() {
    let server = Server::start(Behaviour::Echo);
    let runtime = Runtime::start(2, AT_ONCE, None).expect("threads");
    // The first ones start what stays: the signalling thread.
    close(&runtime, open(&runtime, &server));
    let (threads, descriptors) = ("/proc/self/task", "/proc/self/fd");
    // The server's ends of the connections close when they have heard of it.
    let mut before = (0, 0);
    wait_for("the server rests", || {
        let last = before;
        before = (entries(threads), entries(descriptors));
        std::thread::sleep(std::time::Duration::from_millis(50));
        last == before
    });
    for _ in 0..10 {
        close(&runtime, open(&runtime, &server));
    }
    assert_eq!(entries(threads), before.0);
    wait_for("descriptors are as many as before", || {
        entries(descriptors) <= before.1
    });
    assert_eq!(runtime.network().websockets_opened.get(), 220);
    assert_eq!(runtime.network().peers_handed_over.get(), 110);
    drop(runtime);
    wait_for("its threads are gone", || entries(threads) <= before.0 - 3);
}
