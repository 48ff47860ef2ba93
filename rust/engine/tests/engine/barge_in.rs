//! The caller talks over the agent.

use crate::common::call::{Call, POLICY, config};
use crate::common::caller::Caller;
use crate::common::models::detectors;
use crate::common::ms;
use beluga_engine::{
    AgentState, Command, EventKind, InterruptionAction, InterruptionPolicy, UserState, Vad,
};

const OUT_HZ: usize = 24_000;

/// An utterance whose samples are all different from their neighbours and from silence.
fn source(ms: usize) -> Vec<i16> {
    (0..ms * OUT_HZ / 1_000)
        .map(|n| 2_000 + ((n * 7_919) % 9_973) as i16)
        .collect()
}

/// A call in which the agent says `words` from its 100th tick on, and `each` sees every tick.
fn over_agent(
    caller: &Caller,
    words: &[i16],
    policy: InterruptionPolicy,
    vad: Vad,
    each: impl FnMut(&mut Call),
) -> Call {
    let mut each = each;
    let mut call = Call::new(config(vad));
    call.hear_with(&caller.pcm(), |call| {
        if call.ticks == 100 {
            call.say(words, OUT_HZ as u32, policy);
        }
        each(call);
    });
    call.check();
    call
}

fn interrupted(call: &Call) -> Vec<(u64, u32, u64, u64)> {
    let of = |event: &beluga_engine::Event| match event.kind {
        EventKind::Interrupted {
            utterance,
            onset,
            played_us,
            ..
        } => Some((event.at, utterance, onset, played_us)),
        _ => None,
    };
    call.events.iter().filter_map(of).collect()
}

#[test]
fn the_agent_is_silent_within_the_minimum_and_30_ms_of_the_first_voiced_sample() {
    for vad in detectors() {
        let mut late_ms = Vec::new();
        for trial in 0..48 {
            let caller = Caller::new(16_000)
                .with(|caller| caller.pitch_hz = 95.0 + 3.0 * trial as f64)
                .pause(2_500 + trial)
                .voice(900)
                .pause(600);
            let call = over_agent(&caller, &source(5_000), POLICY, vad, |_| {});
            let last = call
                .out
                .iter()
                .rposition(|&sample| sample != 0)
                .expect("the agent was heard");
            let onset_s = caller.voices[0].start as f64 / 16_000.0;
            late_ms.push(((last + 1) as f64 / OUT_HZ as f64 - onset_s) * 1_000.0 - 120.0);
        }
        late_ms.sort_by(f64::total_cmp);
        let p95 = late_ms[late_ms.len() * 95 / 100];
        eprintln!(
            "barge-in with {vad:?}: silent {:.1} to {:.1} ms after onset + 120 ms, p50 {:.1}, p95 {p95:.1}",
            late_ms[0],
            late_ms[late_ms.len() - 1],
            late_ms[late_ms.len() / 2],
        );
        assert!(p95 <= 30.0, "{vad:?}: {late_ms:?}");
        assert!(
            late_ms[0] >= -10.0,
            "{vad:?}: before he had spoken for the minimum: {late_ms:?}"
        );
    }
}

/// What must have been sent when an utterance was paused once and went on: every sample exact but the two fades, whose
/// sum is the source.
fn assert_whole(call: &Call, words: &[i16], played_us: u64) {
    let first = call
        .out
        .iter()
        .position(|&sample| sample != 0)
        .expect("the agent was heard");
    let played = (played_us as usize * OUT_HZ).div_ceil(1_000_000);
    let fade = OUT_HZ / 100;
    let heard = &call.out[first..];
    assert_eq!(heard[..played], words[..played], "before the fade");
    // In whole frames: a fade begins with some zeros of its own.
    let held = heard[played + fade..]
        .iter()
        .take_while(|&&sample| sample == 0)
        .count()
        / fade
        * fade;
    let again = played + fade + held;
    assert!(held > 0, "there was a pause");
    for n in 0..fade {
        let sum = heard[played + n] + heard[again + n];
        assert!(
            sum.abs_diff(words[played + n]) <= 1,
            "sample {n} of the fade: {sum}, source {}",
            words[played + n]
        );
    }
    assert_eq!(
        heard[again + fade..][..words.len() - played - fade],
        words[played + fade..],
        "after the fade"
    );
    assert!(
        heard[again + words.len() - played..]
            .iter()
            .all(|&sample| sample == 0),
        "nothing is repeated"
    );
}

#[test]
fn a_false_interruption_goes_on_by_itself_without_a_sample_lost_or_repeated() {
    for vad in detectors() {
        let words = source(4_000);
        let caller = Caller::new(16_000).pause(2_500).voice(400).pause(6_000);
        let call = over_agent(&caller, &words, POLICY, vad, |_| {});
        let [(_, 1, _, played_us)] = interrupted(&call)[..] else {
            panic!("{vad:?}: {:?}", call.events)
        };
        let resumed = |kind: &EventKind| match *kind {
            EventKind::Resumed {
                utterance,
                timed_out,
            } => Some((utterance, timed_out)),
            _ => None,
        };
        let (at, what) = call.find(resumed).expect("it went on");
        assert_eq!(what, (1, true));
        assert!(
            at.abs_diff(caller.voices[0].end + ms(2_000)) <= ms(20),
            "{vad:?}: at {at}"
        );
        assert_whole(&call, &words, played_us);
        let whole_us = words.len() as u64 * 1_000_000 / OUT_HZ as u64;
        let finished = EventKind::PlayoutFinished {
            utterance: 1,
            played_us: whole_us,
            interrupted: false,
        };
        assert!(call.kinds().contains(&finished));
    }
}

#[test]
fn a_command_makes_it_go_on_at_once() {
    let words = source(4_000);
    let caller = Caller::new(16_000).pause(2_500).voice(400).pause(6_000);
    let mut told = false;
    let call = over_agent(&caller, &words, POLICY, Vad::Energy, |call| {
        if !told && !call.turns_ended().is_empty() {
            call.send(Command::Resume);
            told = true;
        }
    });
    let [(_, 1, _, played_us)] = interrupted(&call)[..] else {
        panic!("{:?}", call.events)
    };
    let ended = call.turns_ended()[0].0;
    let (at, ()) = call
        .find(|kind| {
            matches!(
                kind,
                EventKind::Resumed {
                    utterance: 1,
                    timed_out: false
                }
            )
            .then_some(())
        })
        .expect("it went on");
    assert!(at <= ended + 160);
    assert_whole(&call, &words, played_us);
}

#[test]
fn what_is_dropped_while_it_is_paused_is_over_and_does_not_go_on() {
    let caller = Caller::new(16_000).pause(2_500).voice(400).pause(6_000);
    let mut told = false;
    let call = over_agent(&caller, &source(4_000), POLICY, Vad::Energy, |call| {
        if !told && !call.turns_ended().is_empty() {
            call.send(Command::Drop(1));
            call.send(Command::ReplyDone(u32::MAX));
            told = true;
        }
    });
    let [(_, 1, _, played_us)] = interrupted(&call)[..] else {
        panic!("{:?}", call.events)
    };
    assert!(call.kinds().contains(&EventKind::PlayoutFinished {
        utterance: 1,
        played_us,
        interrupted: true
    }));
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::Resumed { .. })),
        0
    );
    let back = EventKind::AgentStateChanged {
        from: AgentState::Thinking,
        to: AgentState::Listening,
    };
    assert!(
        call.kinds().contains(&back),
        "it is the caller's turn again"
    );
}

#[test]
fn what_is_dropped_cannot_be_resumed_in_the_same_tick() {
    let caller = Caller::new(16_000).pause(2_500).voice(400).pause(2_000);
    let mut told = false;
    let call = over_agent(&caller, &source(4_000), POLICY, Vad::Energy, |call| {
        if !told && !call.turns_ended().is_empty() {
            call.send(Command::Drop(1));
            call.send(Command::Resume);
            told = true;
        }
    });
    assert!(told);
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::Resumed { .. })),
        0
    );
}

#[test]
fn dropping_what_was_said_before_leaves_what_is_paused_able_to_go_on() {
    let words = source(4_000);
    let caller = Caller::new(16_000).pause(2_500).voice(400).pause(7_000);
    let mut call = Call::new(config(Vad::Energy));
    let mut told = false;
    call.hear_with(&caller.pcm(), |call| {
        if call.ticks == 90 {
            call.say(&source(50), OUT_HZ as u32, POLICY);
            call.say(&words, OUT_HZ as u32, POLICY);
        }
        if !told && !call.turns_ended().is_empty() {
            call.send(Command::Drop(1));
            told = true;
        }
    });
    call.check();
    assert_eq!(
        call.count(|kind| matches!(
            kind,
            EventKind::Resumed {
                utterance: 2,
                timed_out: true
            }
        )),
        1
    );
    assert_eq!(
        call.count(|kind| matches!(
            kind,
            EventKind::PlayoutFinished {
                utterance: 2,
                interrupted: false,
                ..
            }
        )),
        1
    );
}

#[test]
fn a_ducked_agent_goes_on_quieter_and_comes_back() {
    for vad in detectors() {
        let policy = InterruptionPolicy {
            action: InterruptionAction::Duck,
            ..POLICY
        };
        let caller = Caller::new(16_000).pause(2_500).voice(700).pause(2_000);
        let call = over_agent(&caller, &vec![8_000; 5 * OUT_HZ], policy, vad, |_| {});
        assert_eq!(interrupted(&call).len(), 1, "{vad:?}");
        let at = |ms: u64| call.out[ms as usize * OUT_HZ / 1_000];
        assert_eq!(
            (at(2_400), at(2_900), at(4_000)),
            (8_000, 2_000, 8_000),
            "{vad:?}"
        );
        let spoken = &call.out[OUT_HZ..4 * OUT_HZ];
        assert!(
            spoken
                .windows(2)
                .all(|pair| pair[0].abs_diff(pair[1]) <= 8_000 / 240),
            "{vad:?}: a step in the sound"
        );
    }
}

#[test]
fn where_words_are_waited_for_the_agent_goes_on_as_it_was() {
    let words = source(5_000);
    let policy = InterruptionPolicy {
        action: InterruptionAction::AwaitWords,
        ..POLICY
    };
    let caller = Caller::new(16_000).pause(2_500).voice(700).pause(4_000);
    let call = over_agent(&caller, &words, policy, Vad::Energy, |_| {});
    assert_eq!(interrupted(&call).len(), 1);
    assert_eq!(call.turns_ended().len(), 1, "and what he said is a turn");
    let first = call
        .out
        .iter()
        .position(|&sample| sample != 0)
        .expect("the agent was heard");
    assert_eq!(call.out[first..][..words.len()], words);
}

#[test]
fn an_utterance_that_begins_while_the_caller_speaks_counts_his_words_from_then_on() {
    for vad in detectors() {
        let caller = Caller::new(16_000).pause(500).voice(1_800).pause(600);
        let call = over_agent(&caller, &source(3_000), POLICY, vad, |_| {});
        let [(at, 1, ..)] = interrupted(&call)[..] else {
            panic!("{vad:?}: {:?}", call.events)
        };
        let started = ms(1_000);
        assert!(
            (started + ms(120)..=started + ms(160)).contains(&at),
            "{vad:?}: interrupted at {at}"
        );
    }
}

#[test]
fn a_second_utterance_is_not_cut_off_by_what_was_said_over_the_first() {
    // He talks over the whole of the first, which waits for words, and 60 ms into the second, which comes 300 ms later.
    let caller = Caller::new(16_000).pause(800).voice(1_260).pause(1_200);
    let mut call = Call::new(config(Vad::Energy));
    call.hear_with(&caller.pcm(), |call| {
        if call.ticks == 100 {
            let waits = InterruptionPolicy {
                action: InterruptionAction::AwaitWords,
                ..POLICY
            };
            call.say(&source(700), OUT_HZ as u32, waits);
        }
        if call.ticks == 200 {
            call.say(&source(600), OUT_HZ as u32, POLICY);
        }
    });
    call.check();
    assert_eq!(
        interrupted(&call)
            .iter()
            .map(|what| what.1)
            .collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn talking_on_while_the_agent_thinks_takes_the_turn_back() {
    for vad in detectors() {
        let caller = Caller::new(16_000)
            .pause(2_500)
            .voice(900)
            .pause(500)
            .voice(900)
            .pause(800);
        let mut call = Call::new(config(vad));
        call.hear(&caller.pcm());
        call.check();
        let [(at, 0, onset, 0)] = interrupted(&call)[..] else {
            panic!("{vad:?}: {:?}", call.events)
        };
        assert!(onset.abs_diff(caller.voices[1].start) <= ms(20), "{vad:?}");
        assert!(
            at.abs_diff(caller.voices[1].start + ms(120)) <= ms(40),
            "{vad:?}"
        );
        assert_eq!(call.turns_ended().len(), 2, "{vad:?}");
    }
}

#[test]
fn a_caller_who_may_not_interrupt_the_thinking_agent_does_not() {
    let caller = Caller::new(16_000)
        .pause(2_500)
        .voice(900)
        .pause(500)
        .voice(900)
        .pause(800);
    let mut config = config(Vad::Energy);
    config.thinking_policy.allow = false;
    let mut call = Call::new(config);
    call.hear(&caller.pcm());
    call.check();
    assert!(interrupted(&call).is_empty());
    assert_eq!(call.turns_ended().len(), 2);
}

#[test]
fn a_caller_who_is_silent_goes_away_and_comes_back() {
    let caller = Caller::new(16_000).pause(16_000).voice(600).pause(800);
    let mut call = Call::new(config(Vad::Energy));
    call.hear(&caller.pcm());
    call.check();
    let users: Vec<_> = call
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::UserStateChanged { to, .. } => Some((event.at, to)),
            _ => None,
        })
        .collect();
    let [
        (away_at, UserState::Away),
        (_, UserState::Speaking),
        (_, UserState::Listening),
    ] = users[..]
    else {
        panic!("{users:?}")
    };
    assert!(away_at.abs_diff(ms(15_000)) <= 160, "away at {away_at}");
}

#[test]
fn nobody_is_away_while_the_agent_speaks() {
    let mut call = Call::new(config(Vad::Energy));
    call.say(&vec![3_000; 9 * 8_000], 8_000, POLICY);
    call.wait(20_000);
    call.check();
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::UserStateChanged { .. })),
        0
    );
    call.wait(5_000);
    assert_eq!(
        call.count(|kind| matches!(
            kind,
            EventKind::UserStateChanged {
                to: UserState::Away,
                ..
            }
        )),
        1
    );
}

#[test]
fn a_noise_shorter_than_the_minimum_stops_no_thinking_wherever_its_windows_lie() {
    let noise = |samples: usize| {
        let mut random = 12_345u32;
        (0..samples).map(move |_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((random >> 16) as i16) / 4
        })
    };
    for phase in (0..512).step_by(32) {
        for pause_ms in (0..400).step_by(10) {
            let mut config = config(Vad::Energy);
            config.vad_phase_samples = phase;
            config.thinking_policy.min_speech = ms(200);
            let silence = |ms: usize| std::iter::repeat_n(0i16, ms * 16);
            let mut sound: Vec<i16> = silence(700)
                .chain(noise(600 * 16))
                .chain(silence(300))
                .collect();
            sound.extend(silence(pause_ms).chain(noise(120 * 16)).chain(silence(600)));
            let mut call = Call::new(config);
            call.hear(&sound);
            call.check();
            assert_eq!(interrupted(&call), [], "phase {phase}, pause {pause_ms} ms");
        }
    }
}
