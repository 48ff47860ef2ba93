//! What the agent says: marks, ends, drops, gaps.

use crate::common::call::{Call, POLICY, bells, config};
use beluga_engine::{Command, EventKind, MOUTH_CAPACITY_SAMPLES, MouthError, Vad};

const OUT_HZ: u32 = 24_000;
const FRAME: usize = 240;

fn call() -> Call {
    Call::new(config(Vad::Energy))
}

fn tone(samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|n| (9_000.0 * (n as f64 * 0.1).sin()) as i16)
        .collect()
}

fn finished(call: &Call) -> Vec<(u32, u64, bool)> {
    let of = |kind: EventKind| match kind {
        EventKind::PlayoutFinished {
            utterance,
            played_us,
            interrupted,
        } => Some((utterance, played_us, interrupted)),
        _ => None,
    };
    call.kinds().into_iter().filter_map(of).collect()
}

#[test]
fn at_the_same_rate_each_sample_goes_out_as_it_came() {
    let (one, two) = (tone(1_001), tone(777));
    let mut call = call();
    call.say(&one, OUT_HZ, POLICY);
    call.say(&two, OUT_HZ, POLICY);
    call.wait(200);
    call.check();
    // The second follows in the same frame.
    assert_eq!(call.out[..1_001], one);
    assert_eq!(call.out[1_001..1_778], two);
    assert!(call.out[1_778..].iter().all(|&sample| sample == 0));
    assert_eq!(finished(&call), [(1, 41_708, false), (2, 32_375, false)]);
}

#[test]
fn the_tail_of_a_resampled_utterance_is_played() {
    for samples in [1, 219, 220, 221, 5_000, 22_050] {
        let mut call = call();
        call.say(&vec![10_000; samples], 22_050, POLICY);
        call.wait(1_100);
        call.check();
        let due = (samples * 24_000).div_ceil(22_050);
        assert_eq!(
            finished(&call),
            [(1, due as u64 * 1_000_000 / 24_000, false)],
            "{samples} samples"
        );
        assert!(call.out[due..].iter().all(|&sample| sample == 0));
    }
}

#[test]
fn marks_are_reached_where_they_were_set() {
    let mut call = call();
    let sound = tone(4_800);
    let mouth = &mut call.handles.mouth;
    mouth.begin(POLICY).unwrap();
    mouth.mark(7).unwrap();
    mouth.write(&sound[..1_200], OUT_HZ).unwrap();
    mouth.mark(8).unwrap();
    mouth.mark(9).unwrap();
    mouth.write(&sound[1_200..], OUT_HZ).unwrap();
    mouth.mark(10).unwrap();
    mouth.end().unwrap();
    call.wait(300);
    call.check();
    let marks: Vec<_> = call
        .kinds()
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::MarkReached {
                utterance: 1,
                mark,
                played_us,
            } => Some((mark, played_us)),
            _ => None,
        })
        .collect();
    assert_eq!(marks, [(7, 0), (8, 50_000), (9, 50_000), (10, 200_000)]);
}

#[test]
fn an_utterance_may_change_its_rate() {
    let mut call = call();
    let mouth = &mut call.handles.mouth;
    mouth.begin(POLICY).unwrap();
    mouth.write(&tone(2_205), 22_050).unwrap();
    mouth.write(&tone(1_600), 16_000).unwrap();
    mouth.write(&tone(2_400), OUT_HZ).unwrap();
    mouth.end().unwrap();
    call.wait(500);
    call.check();
    assert_eq!(finished(&call), [(1, 300_000, false)]);
    assert_eq!(call.out[4_800..7_200], tone(2_400));
}

#[test]
fn what_is_dropped_while_it_is_heard_fades_out_within_a_frame() {
    let sound = tone(24_000);
    let steepest = sound
        .windows(2)
        .map(|pair| pair[0].abs_diff(pair[1]))
        .max()
        .unwrap();
    let mut call = call();
    call.say(&sound, OUT_HZ, POLICY);
    call.wait(300);
    call.send(Command::Drop(1));
    call.wait(200);
    call.check();
    assert_eq!(call.out[..30 * FRAME], sound[..30 * FRAME]);
    assert!(
        call.out[31 * FRAME..].iter().all(|&sample| sample == 0),
        "it is silent after one frame"
    );
    // A raised cosine over 240 samples is nowhere steeper than pi / 2 / 240.
    let ramp = (9_000.0 * std::f64::consts::FRAC_PI_2 / FRAME as f64) as u16 + 2;
    assert!(
        call.out
            .windows(2)
            .all(|pair| pair[0].abs_diff(pair[1]) <= steepest + ramp),
        "a hard cut"
    );
    assert_eq!(finished(&call), [(1, 300_000, true)]);
}

#[test]
fn a_drop_is_over_at_once_although_nobody_ended_the_utterance() {
    let mut call = call();
    call.handles.mouth.begin(POLICY).unwrap();
    call.handles.mouth.write(&tone(24_000), OUT_HZ).unwrap();
    call.wait(100);
    call.send(Command::Drop(1));
    call.wait(10);
    assert_eq!(finished(&call), [(1, 100_000, true)]);
    // What comes after it is thrown away, so that whoever writes it is not left waiting.
    call.wait(10);
    assert_eq!(call.handles.mouth.gauge().progress(), 24_000);
    call.handles.mouth.write(&tone(2_400), OUT_HZ).unwrap();
    call.handles.mouth.mark(3).unwrap();
    call.handles.mouth.end().unwrap();
    call.say(&tone(480), OUT_HZ, POLICY);
    call.wait(100);
    call.check();
    assert_eq!(finished(&call), [(1, 100_000, true), (2, 20_000, false)]);
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::MarkReached { .. })),
        0
    );
    let heard: Vec<_> = call.out[12 * FRAME..]
        .iter()
        .copied()
        .skip_while(|&sample| sample == 0)
        .collect();
    assert_eq!(heard[..479], tone(480)[1..], "the next one is whole");
}

#[test]
fn queued_utterances_are_dropped_unheard() {
    let mut call = call();
    for _ in 0..3 {
        call.say(&tone(4_800), OUT_HZ, POLICY);
    }
    call.say(&vec![5_000; 240], OUT_HZ, POLICY);
    call.wait(50);
    (1..=3).for_each(|utterance| call.send(Command::Drop(utterance)));
    call.wait(100);
    call.check();
    assert_eq!(
        finished(&call),
        [
            (1, 50_000, true),
            (2, 0, true),
            (3, 0, true),
            (4, 10_000, false)
        ]
    );
    assert_eq!(call.out[6 * FRAME..7 * FRAME], [5_000; FRAME]);
}

#[test]
fn one_that_waits_is_dropped_and_what_is_before_and_behind_it_is_played() {
    let (one, three) = (tone(2_400), vec![5_000; 240]);
    let mut call = call();
    call.say(&one, OUT_HZ, POLICY);
    call.say(&tone(4_800), OUT_HZ, POLICY);
    call.say(&three, OUT_HZ, POLICY);
    call.wait(50);
    call.send(Command::Drop(2));
    call.wait(150);
    // One that is over is none to drop.
    call.send(Command::Drop(2));
    call.send(Command::Drop(0));
    call.say(&three, OUT_HZ, POLICY);
    call.wait(50);
    call.check();
    assert_eq!(
        finished(&call),
        [
            (1, 100_000, false),
            (2, 0, true),
            (3, 10_000, false),
            (4, 10_000, false)
        ]
    );
    assert_eq!(call.out[..2_400], one);
    assert_eq!(call.out[2_400..2_640], three);
}

#[test]
fn as_many_are_dropped_as_can_wait_and_their_numbers_are_free_again() {
    let mut call = call();
    for round in 0..7 {
        // Of different numbers in each round, so that none that is played has the place of one that was dropped.
        let played: Vec<_> = (0..=round)
            .map(|_| call.say(&tone(480), OUT_HZ, POLICY))
            .collect();
        let first = call.handles.mouth.newest();
        while call.handles.mouth.begin(POLICY).is_ok() {
            call.handles.mouth.end().unwrap();
        }
        let last = call.handles.mouth.newest();
        assert!(last - first > 200);
        for chunk in (first + 1..=last).collect::<Vec<_>>().chunks(60) {
            chunk
                .iter()
                .for_each(|&utterance| call.send(Command::Drop(utterance)));
            call.wait(if round == 0 { 10 } else { 0 });
            call.tick_undrained();
        }
        call.wait(200);
        let interrupted = finished(&call).iter().filter(|each| each.2).count();
        let begun = call.handles.mouth.newest() as usize;
        assert_eq!(finished(&call).len(), begun);
        assert!(interrupted > 0, "round {round}");
        for utterance in played {
            let (_, _, interrupted) = finished(&call)[utterance as usize - 1];
            assert!(!interrupted, "{utterance} was dropped in round {round}");
        }
    }
    call.check();
}

#[test]
fn an_empty_utterance_begins_nothing_and_ends() {
    let mut call = call();
    call.say(&[], OUT_HZ, POLICY);
    call.wait(20);
    call.check();
    assert_eq!(finished(&call), [(1, 0, false)]);
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::PlayoutStarted { .. })),
        0
    );
}

#[test]
fn a_writer_who_is_late_leaves_gaps_that_are_counted() {
    let mut call = call();
    call.handles.mouth.begin(POLICY).unwrap();
    call.wait(50);
    assert_eq!(
        call.counter("playout_gaps"),
        0,
        "what has not begun has no gap"
    );
    call.handles.mouth.write(&tone(360), OUT_HZ).unwrap();
    call.wait(40);
    // Half of the second tick, the third and the fourth.
    assert_eq!(call.counter("playout_gaps"), 3);
    call.handles.mouth.write(&tone(240), OUT_HZ).unwrap();
    call.handles.mouth.end().unwrap();
    call.wait(40);
    assert_eq!(call.counter("playout_gaps"), 3);
    call.check();
    assert_eq!(finished(&call), [(1, 25_000, false)]);
}

#[test]
fn a_full_mouth_says_when_there_is_room() {
    let mut call = call();
    let utterance = call.handles.mouth.begin(POLICY).unwrap();
    let sound = vec![3_000; MOUTH_CAPACITY_SAMPLES + 960];
    let mut written = call.handles.mouth.write(&sound, OUT_HZ).unwrap();
    assert_eq!(written, MOUTH_CAPACITY_SAMPLES);
    let woken = call.wakes.0.load(std::sync::atomic::Ordering::Relaxed);
    let goal = call.handles.mouth.room_for(480);
    assert!(!call.handles.mouth.gauge().want(goal));
    call.wait(10);
    assert!(
        !call
            .handles
            .shared
            .take_ready()
            .any(|ready| ready == beluga_engine::Ready::Mouth)
    );
    call.wait(10);
    assert!(
        call.handles
            .shared
            .take_ready()
            .any(|ready| ready == beluga_engine::Ready::Mouth)
    );
    assert!(call.wakes.0.load(std::sync::atomic::Ordering::Relaxed) > woken);
    written += call.handles.mouth.write(&sound[written..], OUT_HZ).unwrap();
    assert_eq!(written, MOUTH_CAPACITY_SAMPLES + 480);
    // More than the queue holds can be asked for: it means "when it is empty".
    assert!(
        !call
            .handles
            .mouth
            .gauge()
            .want(call.handles.mouth.room_for(usize::MAX))
    );
    call.send(Command::Drop(utterance));
    call.wait(30);
    assert!(
        call.handles
            .shared
            .take_ready()
            .any(|ready| ready == beluga_engine::Ready::Mouth)
    );
    assert_eq!(
        call.handles.mouth.write(&sound, OUT_HZ).unwrap(),
        MOUTH_CAPACITY_SAMPLES
    );
    call.check();
}

#[test]
fn controls_are_bounded_and_the_end_always_has_a_place() {
    let mut call = call();
    let mouth = &mut call.handles.mouth;
    assert!(matches!(
        mouth.write(&[1], OUT_HZ),
        Err(MouthError::NoUtterance)
    ));
    assert!(matches!(mouth.mark(1), Err(MouthError::NoUtterance)));
    mouth.begin(POLICY).unwrap();
    assert!(matches!(mouth.begin(POLICY), Err(MouthError::Open(1))));
    let mut marks = 0;
    while mouth.mark(marks).is_ok() {
        marks += 1;
    }
    assert!(matches!(mouth.mark(0), Err(MouthError::Full)));
    assert!(matches!(mouth.write(&[1], OUT_HZ), Err(MouthError::Full)));
    assert!(matches!(mouth.write(&[1], 7_999), Err(MouthError::Rate(_))));
    mouth.end().expect("a place is kept for the end");
    assert!(matches!(mouth.begin(POLICY), Err(MouthError::Full)));
    call.wait(10);
    call.check();
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::MarkReached { .. })),
        marks as usize
    );
    call.say(&tone(240), OUT_HZ, POLICY);
    call.wait(20);
    assert_eq!(finished(&call).len(), 2);
}

#[test]
fn who_takes_every_frame_is_woken_by_each_tick_and_by_the_end() {
    let mut call = call();
    let (bells, wakes) = bells();
    let bell = bells.bell();
    let woken = || {
        bells.looking(&mut |who| assert_eq!(who, bell.number()));
        wakes.0.swap(0, std::sync::atomic::Ordering::Relaxed)
    };
    call.wait(20);
    assert_eq!(woken(), 0, "nobody asked");
    assert!(call.handles.shared.notify_output(&bell));
    for tick in 1..=3 {
        let written = call.handles.shared.out.written();
        call.wait(10);
        assert_eq!(call.handles.shared.out.written(), written + 240);
        assert_eq!(woken(), 1, "tick {tick}");
    }
    call.wait(50);
    assert_eq!(woken(), 1, "it has not looked");
    call.send(Command::Close);
    call.tick_as_it_is();
    assert!(call.handles.shared.is_closed());
    assert_eq!(woken(), 1, "it is over");
    assert!(call.handles.shared.notify_output(&bell), "the same again");
    assert!(!call.handles.shared.notify_output(&bells.bell()));
}

#[test]
fn who_takes_every_frame_is_woken_by_the_end_of_the_shard() {
    let mut call = call();
    let (bells, wakes) = bells();
    assert!(call.handles.shared.notify_output(&bells.bell()));
    call.end_shard();
    assert!(call.handles.shared.is_closed());
    assert_eq!(wakes.0.load(std::sync::atomic::Ordering::Relaxed), 1);
}
