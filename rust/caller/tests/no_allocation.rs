//! A caller's tick asks for no memory and gives none back, whatever he says and hears.

#[path = "caller/support.rs"]
mod support;

use beluga_caller::Silence;
use beluga_counting_alloc::{CountingAllocator, calls_of};
use beluga_engine::{Packet, PacketSink, PacketSource};
use support::{BEGAN_US, TICK_US, World, tape_of, vowel};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn speaking_and_hearing_allocates_nothing() {
    let mut world = World::new(Silence::Dtx, 1_000);
    let tape = tape_of(&vowel(500));
    world
        .caller
        .repeat(tape.clone(), 0, 1_000_000)
        .expect("room");
    let mut sequence = 0;
    let calls = calls_of(|| {
        for tick in 0..500 {
            let now_us = BEGAN_US + tick * TICK_US;
            while let Some(packet) = world.mouth.next(now_us) {
                world.ear.take(Packet {
                    arrival_us: now_us,
                    sequence,
                    timestamp: packet.timestamp,
                    ssrc: 1,
                    payload: packet.payload(),
                });
                sequence += 1;
            }
        }
    });
    assert_eq!(calls, 0);
    assert!(world.caller.counters.packets_heard.get() > 100);
    assert!(world.woken.times() > 0 && world.now_us == BEGAN_US);
    assert!(world.ticks(1).len() < 3 && world.caller.said().is_some());
}
