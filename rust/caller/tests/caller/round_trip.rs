//! From a mouth to an ear: what was said is what was heard.

use crate::support::{BEGAN_US, HZ, TICK_US, World, tape_of, vowel};
use beluga_caller::{Heard, Hearing, Kept, Said, Silence, replay};
use beluga_engine::{DelayBounds, Packet, PacketSink, PacketSource};
use std::ops::RangeInclusive;

/// Packets arrive so long after they were sent.
const ON_THE_WAY_US: u64 = 3_000;

/// Two and a half seconds in which 500 ms are said after one; what the ear kept of it.
fn call(silence: Silence) -> (World, Vec<Kept>) {
    let mut world = World::new(silence, 1_000);
    let tape = tape_of(&vowel(500));
    // What is over shows with the next packet.
    world
        .caller
        .repeat(tape, 1_000_000, 60_000_000)
        .expect("room");
    let mut sequence = 0;
    for tick in 0..250 {
        let now_us = BEGAN_US + tick * TICK_US;
        while let Some(packet) = world.mouth.next(now_us) {
            world.ear.take(Packet {
                arrival_us: now_us + ON_THE_WAY_US,
                sequence,
                timestamp: packet.timestamp,
                ssrc: 9,
                payload: packet.payload(),
            });
            sequence += 1;
        }
    }
    let kept = std::iter::from_fn(|| world.caller.kept()).collect();
    (world, kept)
}

/// 500 ms, half a frame of silence ahead at most, and the frame in which an encoder's delay ends.
fn assert_heard(heard: &[Heard], said: Said, packets: RangeInclusive<u64>) {
    let [Heard::Began(first_us), Heard::Ended(voice)] = heard else {
        panic!("{heard:?}");
    };
    assert_eq!(first_us - said.first_us, 20_000 + ON_THE_WAY_US);
    assert_eq!(voice.first_us, *first_us);
    assert!(packets.contains(&voice.packets), "{voice:?}");
    assert!(
        voice.last_us - said.last_us <= 20_000 + ON_THE_WAY_US,
        "{voice:?}"
    );
    assert!(voice.last_us >= said.last_us, "{voice:?}");
    assert_eq!(voice.gaps, 0);
}

#[test]
fn who_rests_is_heard_to_the_packet_without_decoding() {
    let (mut world, _) = call(Silence::Dtx);
    let said = world.caller.said().expect("it was said");
    let heard: Vec<_> = std::iter::from_fn(|| world.caller.heard()).collect();
    assert_heard(&heard, said, 25..=26);
}

#[test]
fn a_sampled_caller_hears_everybody_by_his_level() {
    for silence in [Silence::Dtx, Silence::Continuous] {
        let (mut world, kept) = call(silence);
        let said = world.caller.said().expect("it was said");
        let mut hearing = Hearing::new().expect("memory");
        let mut heard = Vec::new();
        for packet in &kept {
            hearing.take(packet, &mut |news| heard.push(news));
        }
        assert_heard(&heard, said, 25..=26);
    }
}

#[test]
fn what_was_kept_is_the_sound_that_was_said() {
    for silence in [Silence::Dtx, Silence::Continuous] {
        let (_, kept) = call(silence);
        let replayed = replay(&kept, DelayBounds::default()).expect("memory");
        assert_eq!(
            (replayed.concealed_frames, replayed.dropped_packets),
            (0, 0)
        );
        assert_eq!(replayed.began_us, BEGAN_US + ON_THE_WAY_US);
        let loud: Vec<_> = replayed
            .samples
            .chunks(HZ / 100)
            .map(|frame| frame.iter().any(|sample| sample.abs() > 1_000))
            .collect();
        let first = loud.iter().position(|&loud| loud).expect("a voice");
        let last = loud.iter().rposition(|&loud| loud).expect("a voice");
        assert!(
            (49..=52).contains(&(last + 1 - first)),
            "{} frames",
            last + 1 - first
        );
        // One second, and the jitter buffer's 20 to 60 ms.
        assert!((100..=108).contains(&first), "after {first} frames");
    }
}

#[test]
fn a_caller_who_is_not_sampled_keeps_nothing_and_one_who_is_full_counts_it() {
    let mut world = World::new(Silence::Dtx, 2);
    for n in 0..5 {
        world.ear.take(Packet {
            arrival_us: BEGAN_US,
            sequence: n,
            timestamp: 0,
            ssrc: 9,
            payload: &[1, 2, 3],
        });
    }
    assert_eq!(std::iter::from_fn(|| world.caller.kept()).count(), 2);
    assert_eq!(world.caller.counters.kept_dropped.get(), 3);
}
