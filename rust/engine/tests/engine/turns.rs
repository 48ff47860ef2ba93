//! When a turn begins and when it is over.

use crate::common::call::{Call, POLICY, UNINTERRUPTIBLE, config};
use crate::common::caller::Caller;
use crate::common::models::detectors;
use crate::common::ms;
use beluga_engine::{EventKind, InterruptionPolicy, Vad};

/// How far the true edges of a voice may be missed.
const TOLERANCE: u64 = ms(20);

fn greet(rate_hz: u32) -> Caller {
    Caller::new(rate_hz).pause(2_500)
}

#[test]
fn a_turn_ends_when_the_silence_after_the_true_end_of_the_voice_is_complete() {
    for vad in detectors() {
        let mut late_ms = Vec::new();
        for offset_ms in 0..32 {
            let caller = greet(16_000)
                .pause(offset_ms)
                .voice(1_450 + 7 * offset_ms)
                .pause(1_000);
            let mut call = Call::new(config(vad));
            call.hear(&caller.pcm());
            call.check();
            let truth = caller.voices[0].clone();
            let turns = call.turns_ended();
            let [(at, 1, onset, voiced_end)] = turns[..] else {
                panic!("{vad:?}: {turns:?}")
            };
            assert!(
                onset.abs_diff(truth.start) <= TOLERANCE,
                "{vad:?}: onset {onset}, truth {truth:?}"
            );
            assert!(
                voiced_end.abs_diff(truth.end) <= TOLERANCE,
                "{vad:?}: end {voiced_end}, truth {truth:?}"
            );
            // On the tick on which the silence is complete, not on the next window of the detector.
            assert_eq!(at, voiced_end.next_multiple_of(160) + ms(300), "{vad:?}");
            late_ms.push((at as f64 - (truth.end + ms(300)) as f64) / 16.0);
        }
        late_ms.sort_by(f64::total_cmp);
        let (p50, last) = (late_ms[late_ms.len() / 2], late_ms[late_ms.len() - 1]);
        eprintln!(
            "end of turn with {vad:?}: {:.1} to {last:.1} ms after the truth, p50 {p50:.1}",
            late_ms[0]
        );
    }
}

#[test]
fn a_pause_shorter_than_the_delay_is_part_of_the_turn() {
    for vad in detectors() {
        let caller = greet(16_000).voice(900).pause(250).voice(700).pause(1_000);
        let mut call = Call::new(config(vad));
        call.hear(&caller.pcm());
        call.check();
        let turns = call.turns_ended();
        let [(_, 1, onset, voiced_end)] = turns[..] else {
            panic!("{vad:?}: {turns:?}")
        };
        assert!(onset.abs_diff(caller.voices[0].start) <= TOLERANCE);
        assert!(voiced_end.abs_diff(caller.voices[1].end) <= TOLERANCE);
    }
}

#[test]
fn a_pause_longer_than_the_delay_ends_one_turn_and_begins_another() {
    for vad in detectors() {
        let caller = greet(16_000).voice(900).pause(480).voice(700).pause(1_000);
        let mut call = Call::new(config(vad));
        call.hear(&caller.pcm());
        call.check();
        let turns = call.turns_ended();
        assert_eq!(turns.len(), 2, "{vad:?}: {turns:?}");
        for (turn, truth) in turns.iter().zip(&caller.voices) {
            assert!(
                turn.2.abs_diff(truth.start) <= TOLERANCE,
                "{vad:?}: {turn:?}, truth {truth:?}"
            );
            assert!(
                turn.3.abs_diff(truth.end) <= TOLERANCE,
                "{vad:?}: {turn:?}, truth {truth:?}"
            );
        }
    }
}

#[test]
fn the_pre_roll_of_a_quick_next_turn_does_not_reach_into_the_turn_before() {
    let caller = Caller::new(16_000)
        .pause(1_000)
        .voice(500)
        .pause(450)
        .voice(500)
        .pause(600);
    let mut call = Call::new(config(Vad::Energy));
    call.hear(&caller.pcm());
    call.check();
    let (first_end, 1, ..) = call.turns_ended()[0] else {
        panic!("{:?}", call.events)
    };
    let (_, read_from) = call
        .find(|kind| match *kind {
            EventKind::TurnStarted {
                turn: 2, read_from, ..
            } => Some(read_from),
            _ => None,
        })
        .expect("a second turn");
    assert_eq!(read_from, first_end);
}

#[test]
fn a_turn_is_read_from_before_its_first_sample() {
    let caller = greet(16_000).voice(900).pause(600);
    let mut call = Call::new(config(Vad::Energy));
    call.hear(&caller.pcm());
    let started = |kind: &EventKind| match *kind {
        EventKind::TurnStarted {
            onset, read_from, ..
        } => Some((onset, read_from)),
        _ => None,
    };
    let (_, (onset, read_from)) = call.find(started).expect("a turn");
    assert_eq!(onset - read_from, ms(500));
    let mut pre_roll = vec![0; ms(500) as usize];
    let read = call.handles.shared.ear.read(read_from, &mut pre_roll);
    assert_eq!(
        (read.start, read.len, read.lost),
        (read_from, pre_roll.len(), 0)
    );
    assert!(
        pre_roll.iter().all(|sample| sample.abs() < 600),
        "what is read first is the room"
    );
}

#[test]
fn a_click_in_the_pause_of_a_turn_does_not_put_off_its_end() {
    let click = |t: f64| {
        if t < 0.02 {
            0.3 * (t * 9_000.0).sin()
        } else {
            0.0
        }
    };
    let caller = greet(16_000).voice(900).pause(262).sound(750, click);
    let mut call = Call::new(config(Vad::Energy));
    call.hear(&caller.pcm());
    call.check();
    let turns = call.turns_ended();
    let [(at, ..)] = turns[..] else {
        panic!("{turns:?}")
    };
    assert!(
        at <= caller.voices[0].end + ms(300) + TOLERANCE + 512,
        "the turn ended at {at}"
    );
}

#[test]
fn the_detector_s_phase_shifts_nothing_by_more_than_a_window() {
    for vad in detectors() {
        let caller = greet(16_000)
            .voice(900)
            .pause(180)
            .voice(500)
            .pause(700)
            .voice(400)
            .pause(700);
        let turns = |phase| {
            let mut call = Call::new(beluga_engine::SessionConfig {
                vad_phase_samples: phase,
                ..config(vad)
            });
            call.hear(&caller.pcm());
            call.check();
            call.turns_ended()
        };
        let first = turns(0);
        assert_eq!(first.len(), 2, "{vad:?}");
        for phase in [1, 100, 160, 320, 480, 511] {
            for (one, other) in first.iter().zip(turns(phase)) {
                assert!(
                    one.0.abs_diff(other.0) <= 512 && one.1 == other.1,
                    "{vad:?} at {phase}: {one:?}, {other:?}"
                );
                assert!(
                    one.2.abs_diff(other.2) <= 512 && one.3.abs_diff(other.3) <= 512,
                    "{vad:?} at {phase}"
                );
            }
        }
    }
}

/// The agent speaks `agent_ms` from the 100th tick on while the caller says what `caller` gives.
fn talk(
    caller: &Caller,
    agent_ms: usize,
    policy: InterruptionPolicy,
    vad: Vad,
    discard: bool,
) -> Call {
    let mut config = config(vad);
    config.turn.discard_audio_if_uninterruptible = discard;
    let mut call = Call::new(config);
    call.hear_with(&caller.pcm(), |call| {
        if call.ticks == 100 {
            call.say(&vec![4_000; agent_ms * 24], 24_000, policy);
        }
    });
    call.check();
    call
}

#[test]
fn a_short_word_over_the_agent_is_no_turn() {
    for vad in detectors() {
        let policy = InterruptionPolicy {
            min_speech: ms(500),
            ..POLICY
        };
        let call = talk(
            &greet(16_000).voice(300).pause(1_500),
            5_000,
            policy,
            vad,
            true,
        );
        assert_eq!(
            call.count(|kind| matches!(kind, EventKind::TurnDropped { turn: 1 })),
            1,
            "{vad:?}"
        );
        assert_eq!(
            call.count(|kind| matches!(kind, EventKind::Interrupted { .. })),
            0,
            "{vad:?}"
        );
        assert!(call.turns_ended().is_empty(), "{vad:?}");
    }
}

#[test]
fn what_is_said_over_an_agent_who_may_not_be_interrupted_is_no_turn() {
    for vad in detectors() {
        let call = talk(
            &greet(16_000).voice(900).pause(1_500),
            5_000,
            UNINTERRUPTIBLE,
            vad,
            true,
        );
        assert_eq!(
            call.count(|kind| matches!(kind, EventKind::TurnStarted { .. })),
            0,
            "{vad:?}"
        );
        assert!(
            call.out[24_000..]
                .iter()
                .take(4 * 24_000)
                .all(|&sample| sample == 4_000),
            "it was spoken through"
        );
    }
}

#[test]
fn it_is_a_turn_where_it_is_not_to_be_discarded() {
    let call = talk(
        &greet(16_000).voice(900).pause(1_500),
        5_000,
        UNINTERRUPTIBLE,
        Vad::Energy,
        false,
    );
    assert_eq!(call.turns_ended().len(), 1);
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::Interrupted { .. })),
        0
    );
}

#[test]
fn a_caller_who_outlasts_an_agent_who_may_not_be_interrupted_has_the_turn_from_then_on() {
    for vad in detectors() {
        // The agent is done 0.5 s into the caller's 1.5 s.
        let caller = greet(16_000).voice(1_500).pause(800);
        let call = talk(&caller, 2_000, UNINTERRUPTIBLE, vad, true);
        let turns = call.turns_ended();
        let [(_, _, onset, voiced_end)] = turns[..] else {
            panic!("{vad:?}: {turns:?}")
        };
        assert!(
            onset.abs_diff(ms(3_000)) <= ms(40),
            "{vad:?}: his turn is from {onset} on"
        );
        assert!(
            voiced_end.abs_diff(caller.voices[0].end) <= TOLERANCE,
            "{vad:?}"
        );
    }
}

#[test]
fn a_caller_who_fell_silent_just_before_the_agent_was_done_has_no_turn() {
    // The voice ends 100 ms before the agent does: its end is not yet certain then.
    let call = talk(
        &greet(16_000).voice(400).pause(1_500),
        2_000,
        UNINTERRUPTIBLE,
        Vad::Energy,
        true,
    );
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::TurnStarted { .. })),
        0
    );
}
