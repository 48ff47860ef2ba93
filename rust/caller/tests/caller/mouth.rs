//! What is sent, and when.

use crate::support::{BEGAN_US, TICK_US, World, tape_of, vowel};
use beluga_caller::{Said, Silence};
use beluga_engine::EncodedPacket;
use proptest::prelude::*;

const RTP_PER_US: f64 = 0.048;

fn sizes(packets: &[EncodedPacket]) -> Vec<usize> {
    packets
        .iter()
        .map(|packet| packet.payload().len())
        .collect()
}

/// Those that the engine took for sound when they were encoded.
fn voiced(packets: &[EncodedPacket]) -> Vec<EncodedPacket> {
    packets
        .iter()
        .filter(|packet| packet.level < 127)
        .copied()
        .collect()
}

#[test]
fn a_stream_begins_with_three_silent_frames_and_rests_then_with_a_byte_every_400_ms() {
    let mut world = World::new(Silence::Dtx, 0);
    let sent = world.ticks(200);
    let empty: Vec<_> = sent.iter().filter(|p| p.payload().len() == 1).collect();
    assert_eq!(sent.len(), 3 + empty.len());
    assert!(sent.iter().all(|packet| packet.level == 127));
    let times: Vec<_> = empty.iter().map(|packet| packet.timestamp / 960).collect();
    assert_eq!(times, [3, 22, 42, 62, 82]);
}

#[test]
fn a_microphone_that_is_never_shut_sends_a_frame_every_20_ms() {
    let mut world = World::new(Silence::Continuous, 0);
    world.caller.say(tape_of(&vowel(100))).expect("room");
    let sent = world.ticks(100);
    let times: Vec<_> = sent.iter().map(|packet| packet.timestamp).collect();
    assert_eq!(times, (0..50).map(|frame| frame * 960).collect::<Vec<_>>());
    assert!(sizes(&sent).iter().all(|&size| size > 1));
}

#[test]
fn what_is_said_comes_whole_with_half_a_frame_of_silence_ahead() {
    let mut world = World::new(Silence::Dtx, 0);
    world.ticks(20);
    world.caller.say(tape_of(&vowel(200))).expect("room");
    let sent = world.ticks(60);
    let said = voiced(&sent);
    assert_eq!(said.len(), 10);
    let front = sent
        .iter()
        .position(|packet| packet.marker)
        .expect("a marker");
    assert_eq!(sent[front].timestamp, said[0].timestamp - 480);
    assert_eq!(sent[front].due_us, said[0].due_us);
    assert!(
        said.windows(2)
            .all(|pair| pair[1].timestamp - pair[0].timestamp == 960)
    );
    assert!(
        said.windows(2)
            .all(|pair| pair[1].due_us - pair[0].due_us == 20_000)
    );
    let told = world.caller.said().expect("it was said");
    assert_eq!(told.first_us, said[0].due_us - 20_000);
    assert_eq!(told.last_us - told.first_us, 200_000);
    assert!(!told.cut);
    assert!(world.woken.times() > 0);
}

#[test]
fn a_duty_is_said_again_and_again_on_its_grid() {
    let mut world = World::new(Silence::Dtx, 0);
    let tape = tape_of(&vowel(200));
    world.caller.repeat(tape, 300_000, 1_000_000).expect("room");
    world.ticks(380);
    let said: Vec<Said> = std::iter::from_fn(|| world.caller.said()).collect();
    let begun: Vec<_> = said
        .iter()
        .map(|said| said.first_us + 20_000 - BEGAN_US)
        .collect();
    assert_eq!(begun, [300_000, 1_300_000, 2_300_000, 3_300_000]);
}

#[test]
fn who_is_hushed_stops_within_a_frame_and_says_how_far_he_came() {
    let mut world = World::new(Silence::Dtx, 0);
    world
        .caller
        .repeat(tape_of(&vowel(1_000)), 0, 2_000_000)
        .expect("room");
    let before = voiced(&world.ticks(50)).len();
    world.caller.hush().expect("room");
    let after = world.ticks(400);
    assert_eq!(voiced(&after).len(), 0);
    let said = world.caller.said().expect("it was said");
    assert!(said.cut);
    assert_eq!(said.last_us - said.first_us, before as u64 * 20_000);
    assert_eq!(world.caller.said(), None);
    // Three encoded frames end what was cut.
    assert_eq!(
        sizes(&after[..4]).iter().filter(|&&size| size > 1).count(),
        3
    );
}

#[test]
fn frames_that_are_owed_for_long_are_skipped_and_counted() {
    let mut world = World::new(Silence::Dtx, 0);
    world.ticks(20);
    world.caller.say(tape_of(&vowel(2_000))).expect("room");
    world.ticks(20);
    let late = world.at(world.now_us + 1_000_000);
    let skipped = world.caller.counters.frames_skipped.get();
    assert!((24..=26).contains(&skipped), "{skipped} skipped");
    assert!((24..=27).contains(&late.len()), "{} in a burst", late.len());
}

proptest! {
    /// However unevenly he is asked, and whatever he is told: his time is the wall clock's, and no packet overlaps another.
    #[test]
    fn time_goes_on_with_the_clock(
        ticks in prop::collection::vec((0u64..30_000, 0u8..12), 1..300),
        continuous in any::<bool>(),
    ) {
        let silence = if continuous { Silence::Continuous } else { Silence::Dtx };
        let mut world = World::new(silence, 0);
        let tapes = [tape_of(&vowel(60)), tape_of(&vowel(250))];
        let mut sent = world.at(BEGAN_US);
        for (step, order) in ticks {
            match order {
                0 | 1 => drop(world.caller.say(tapes[usize::from(order)].clone())),
                2 => drop(world.caller.repeat(tapes[0].clone(), 40_000, 200_000)),
                3 => drop(world.caller.hush()),
                _ => {}
            }
            sent.extend(world.at(world.now_us + TICK_US.max(step)));
        }
        for pair in sent.windows(2) {
            let ten_ms = pair[0].payload().len() == 1 || pair[0].timestamp % 960 == 480;
            let least = if ten_ms { 480 } else { 960 };
            prop_assert!(pair[1].timestamp - pair[0].timestamp >= least, "{pair:?}");
        }
        for packet in &sent {
            let rtp = (packet.due_us - BEGAN_US) as f64 * RTP_PER_US;
            let ahead = f64::from(packet.timestamp) - rtp;
            prop_assert!(ahead == 0.0 || ahead == -480.0, "{packet:?}");
        }
    }
}
