//! How sound was cut into writes leaves no trace.

use crate::common::call::{Call, POLICY, config};
use crate::common::caller::Caller;
use crate::common::models::detectors;
use beluga_engine::{Event, EventKind, Vad};
use proptest::prelude::*;
use std::sync::OnceLock;

fn two_turns() -> &'static [i16] {
    static SOUND: OnceLock<Vec<i16>> = OnceLock::new();
    SOUND.get_or_init(|| {
        Caller::new(44_100)
            .pause(700)
            .voice(500)
            .pause(150)
            .voice(300)
            .pause(500)
            .voice(400)
            .pause(500)
            .pcm()
    })
}

/// Hears `two_turns` in pieces of `cuts`, each written as early as it must be and `ahead` samples earlier.
fn hear(vad: Vad, cuts: &[usize], ahead: usize) -> Vec<Event> {
    let sound = two_turns();
    let mut call = Call::at(config(vad), 44_100, 24_000);
    call.say(&vec![3_000; 24_000], 24_000, POLICY);
    let (mut written, mut cuts) = (0, cuts.iter().cycle());
    for tick in 1..=sound.len() / 441 {
        while written < sound.len().min(441 * tick + ahead) {
            let end = (written + cuts.next().unwrap()).min(sound.len());
            assert_eq!(call.write(&sound[written..end]), end - written);
            written = end;
        }
        call.tick_as_it_is();
    }
    call.check();
    assert_eq!(call.counter("input_starved_samples"), 0);
    call.events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_input_gives_the_same_events(
        cuts in prop::collection::vec(1usize..3_000, 1..20), ahead in 0usize..8_000
    ) {
        for vad in detectors() {
            let once = hear(vad, &[441], 0);
            let ended = once.iter().filter(|event| matches!(event.kind, EventKind::TurnEnded { .. })).count();
            prop_assert_eq!(ended, 2);
            prop_assert_eq!(&hear(vad, &cuts, ahead), &once);
        }
    }

    #[test]
    fn the_same_words_give_the_same_sound_and_marks(
        words in prop::collection::vec((0usize..4_000, 0usize..3), 1..8),
        cuts in prop::collection::vec(1usize..700, 1..20),
        lead_ticks in 2usize..30,
    ) {
        // Each stretch of words and the marks behind it; marks at the same place keep their order.
        let say = |cuts: &[usize], lead_ticks: usize| {
            let mut call = Call::new(config(Vad::Energy));
            call.handles.mouth.begin(POLICY).unwrap();
            let (mut written, mut mark, mut seed) = (0, 0, 1u32);
            let mut cuts = cuts.iter().cycle();
            for &(stretch, marks) in &words {
                let mut left = stretch;
                while left > 0 {
                    let piece: Vec<i16> = (0..left.min(*cuts.next().unwrap())).map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (seed >> 18) as i16
                    }).collect();
                    assert_eq!(call.handles.mouth.write(&piece, 22_050).unwrap(), piece.len());
                    left -= piece.len();
                    written += piece.len();
                    while written > (call.ticks as usize + lead_ticks) * 221 {
                        call.tick(&[0; 160]);
                    }
                }
                for _ in 0..marks {
                    call.handles.mouth.mark(mark).unwrap();
                    mark += 1;
                }
            }
            call.handles.mouth.end().unwrap();
            call.wait(2_000);
            call.check();
            let marks: Vec<_> =
                call.kinds().into_iter().filter(|kind| !matches!(kind, EventKind::AgentStateChanged { .. })).collect();
            let first = call.out.iter().position(|&sample| sample != 0).unwrap_or(0);
            let last = call.out.iter().rposition(|&sample| sample != 0).unwrap_or(0);
            (call.out[first..=last].to_vec(), marks)
        };
        let once = say(&[usize::MAX], usize::MAX >> 16);
        prop_assert_eq!(say(&cuts, lead_ticks), once);
    }
}
