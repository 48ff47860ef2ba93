//! Once built, the buffer asks the allocator for nothing.

use beluga_counting_alloc::{CountingAllocator, calls_of};

use crate::harness::{FRAME, Sender, Sent, Session};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

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
        let calls = calls_of(|| {
            for (count, packet) in sent.iter().enumerate() {
                session.buffer.push(packet.packet());
                if count % 3 != 0 {
                    session.buffer.pull(packet.arrival_us, &mut out);
                    session.buffer.pull(packet.arrival_us + 10_000, &mut out);
                }
            }
        });
        let stats = session.buffer.stats();
        assert_eq!(calls, 0);
        assert!(stats.decoded_frames > 0 && stats.concealed_frames > 0);
        assert_eq!(stats.ssrc_changes, 4);
        if capacity == 2 {
            assert!(stats.overflow_packets > 0);
        } else {
            assert!(stats.undecodable_packets > 0 && stats.duplicate_packets > 0);
        }
    }
}
