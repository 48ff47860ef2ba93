//! Once built, the buffer asks the allocator for nothing.
#![allow(unsafe_code)] // A global allocator cannot be written without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::harness::{FRAME, Sender, Sent, Session};

/// The system's allocator, with what this thread asks of it counted.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ASKED.with(|asked| asked.set(asked.get() + 1));
}

// SAFETY: every call goes on to the system's allocator unchanged; the counter is const and needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Loss, reorder, duplicates, pauses, overflow, a new ssrc and a spoilt packet: every path there is.
fn every_kind_of_packet() -> Vec<Sent> {
    let mut sender = Sender::new();
    let mut sent = Vec::new();
    for round in 0..50 {
        let mut some = sender.speak_often(12, 20);
        some.swap(2, 4);
        some.remove(7);
        some.push(some[3].clone());
        some[5] = some[5].clone().spoilt();
        sent.extend(some);
        if round % 10 == 9 {
            sender.ssrc += 1;
        }
        sender.pause(300);
    }
    sent
}

#[test]
fn push_and_pull_allocate_nothing() {
    let sent = every_kind_of_packet();
    for capacity in [2, 8, 64] {
        let mut session = Session::with_capacity(60, capacity);
        let mut out = [0; FRAME];
        let before = ASKED.get();
        for (count, packet) in sent.iter().enumerate() {
            session.buffer.push(packet.packet());
            if count % 3 != 0 {
                session.buffer.pull(packet.arrival_us, &mut out);
                session.buffer.pull(packet.arrival_us + 10_000, &mut out);
            }
        }
        let stats = session.buffer.stats();
        assert_eq!(ASKED.get(), before);
        assert!(stats.decoded_frames > 0 && stats.concealed_frames > 0);
        assert_eq!(stats.ssrc_changes, 4);
        if capacity == 2 {
            assert!(stats.overflow_packets > 0);
        } else {
            assert!(stats.undecodable_packets > 0 && stats.duplicate_packets > 0);
        }
    }
}
