//! What is heard of packets, by their times, numbers and sizes.

use crate::support::{BEGAN_US, World};
use beluga_caller::{Heard, Silence, Voice};
use beluga_engine::{Packet, PacketSink};

const SOUND: [u8; 60] = [7; 60];
const SILENCE: [u8; 3] = [7; 3];

struct Line {
    world: World,
}

impl Line {
    fn new() -> Self {
        Self {
            world: World::new(Silence::Dtx, 0),
        }
    }

    /// Frame `n` of a stream, which comes `late_us` after its time.
    fn hear(&mut self, n: u16, payload: &[u8], late_us: u64) {
        self.world.ear.take(Packet {
            arrival_us: BEGAN_US + u64::from(n) * 20_000 + late_us,
            sequence: n.wrapping_add(65_500),
            timestamp: u32::from(n) * 960,
            ssrc: 1,
            payload,
        });
    }

    fn voices(&mut self) -> Vec<Voice> {
        std::iter::from_fn(|| self.world.caller.heard())
            .filter_map(|heard| match heard {
                Heard::Ended(voice) => Some(voice),
                Heard::Began(_) => None,
            })
            .collect()
    }
}

#[test]
fn a_voice_begins_with_its_first_packet_and_ends_with_its_last() {
    let mut line = Line::new();
    (0..5).for_each(|n| line.hear(n, &SILENCE, 0));
    (5..55).for_each(|n| line.hear(n, &SOUND, 0));
    (55..80).for_each(|n| line.hear(n, &SILENCE, 0));
    let counters = line.world.caller.counters.clone();
    assert_eq!(
        line.world.caller.heard(),
        Some(Heard::Began(BEGAN_US + 100_000))
    );
    let voice = Voice {
        first_us: BEGAN_US + 100_000,
        last_us: BEGAN_US + 1_080_000,
        packets: 50,
        gaps: 0,
    };
    assert_eq!(line.voices(), [voice]);
    assert_eq!(counters.packets_voiced.get(), 50);
    assert_eq!(counters.last_voice(), Some((voice.last_us, 50, 0)));
}

#[test]
fn a_pause_between_two_words_ends_no_voice_and_a_longer_one_does() {
    let mut line = Line::new();
    line.hear(0, &SOUND, 0);
    line.hear(9, &SOUND, 0);
    line.hear(30, &SOUND, 0);
    line.hear(60, &SILENCE, 0);
    let packets: Vec<_> = line.voices().iter().map(|voice| voice.packets).collect();
    assert_eq!(packets, [2, 1]);
}

#[test]
fn what_is_lost_is_a_gap_and_counted_and_what_comes_late_is_no_loss() {
    let mut line = Line::new();
    for n in (0..50).filter(|n| ![20, 21, 30].contains(n)) {
        line.hear(n, &SOUND, 0);
        if n == 35 {
            line.hear(30, &SOUND, 100_000);
            line.hear(29, &SOUND, 0);
        }
    }
    line.hear(70, &SILENCE, 0);
    let counters = &line.world.caller.counters;
    let lost = counters.packets_expected.get() - counters.packets_heard.get();
    // Those between 49 and 70, which a sender at rest does not number: this one did.
    assert_eq!(lost, 2 + 20);
    let voice = line.voices()[0];
    assert_eq!((voice.packets, voice.gaps), (47, 2));
}

#[test]
fn a_stall_that_a_listener_waits_through_is_one_gap() {
    let mut line = Line::new();
    (0..20).for_each(|n| line.hear(n, &SOUND, 15_000 * u64::from(n % 4)));
    (20..50).for_each(|n| line.hear(n, &SOUND, 200_000));
    (80..81).for_each(|n| line.hear(n, &SILENCE, 0));
    assert_eq!(line.voices()[0].gaps, 1);
}
