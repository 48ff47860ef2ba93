//! A writer who was late and makes up for it does not delay the caller for the rest of his call; one who is ahead loses nothing.

use crate::common::call::{Call, config};
use beluga_engine::Vad;
use proptest::prelude::*;
use std::ops::Range;

const FRAME: usize = 160;

/// What the caller says: a word of 250 ms, a pause of 150 ms in the quiet of his room, and so on. No two samples of a word are
/// alike.
fn words(frames: usize) -> Vec<i16> {
    let mut seed = 3u32;
    let mut noise = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 28) as i16 - 8
    };
    (0..frames * FRAME)
        .map(|n| {
            if n / FRAME % 40 < 25 {
                let number = (n % 30_000) as i16;
                if n % 2 == 0 {
                    1_000 + number
                } else {
                    -1_000 - number
                }
            } else {
                noise()
            }
        })
        .collect()
}

/// Hears `sound` as a writer brings it: before tick `t`, everything up to frame `brought(t)`. What the ear heard.
fn heard(sound: &[i16], ticks: usize, brought: impl Fn(usize) -> usize) -> (Call, Vec<i16>) {
    heard_by(Call::new(config(Vad::Energy)), sound, ticks, brought)
}

fn heard_live(sound: &[i16], ticks: usize, brought: impl Fn(usize) -> usize) -> (Call, Vec<i16>) {
    heard_by(Call::live(config(Vad::Energy)), sound, ticks, brought)
}

fn heard_by(
    mut call: Call,
    sound: &[i16],
    ticks: usize,
    brought: impl Fn(usize) -> usize,
) -> (Call, Vec<i16>) {
    let (mut written, mut ear) = (0, Vec::new());
    for tick in 0..ticks {
        let due = (brought(tick) * FRAME).min(sound.len());
        written += call.write(&sound[written..due.max(written)]);
        call.tick_as_it_is();
        let mut frame = [0; FRAME];
        while call
            .handles
            .shared
            .ear
            .read(ear.len() as u64, &mut frame)
            .len
            == FRAME
        {
            ear.extend_from_slice(&frame);
        }
    }
    (call, ear)
}

/// Who records as he speaks: in these ticks nothing comes, then all of it.
fn stalls(ticks: Range<usize>) -> impl Fn(usize) -> usize {
    move |tick| {
        if ticks.contains(&tick) {
            ticks.start
        } else {
            tick + 1
        }
    }
}

/// What he records in so many frames from there on is lost on his side.
fn loses(from: usize, frames: usize) -> impl Fn(usize) -> usize {
    move |tick| {
        if tick < from {
            tick + 1
        } else {
            (tick + 1).saturating_sub(frames).max(from)
        }
    }
}

fn voiced(sound: &[i16]) -> Vec<i16> {
    sound
        .iter()
        .copied()
        .filter(|sample| sample.abs() > 500)
        .collect()
}

/// Frames of digital zeros that were put into a word.
fn torn_words(ear: &[i16]) -> usize {
    let frames: Vec<&[i16]> = ear.chunks(FRAME).collect();
    let is_word = |frame: &[i16]| frame.iter().any(|sample| sample.abs() > 500);
    frames
        .windows(3)
        .filter(|three| is_word(three[0]) && is_word(three[2]))
        .filter(|three| three[1].iter().all(|&sample| sample == 0))
        .count()
}

/// The last frames of both are the same: what is written now is heard now.
fn is_in_time(ear: &[i16], sound: &[i16], late_frames: usize) -> bool {
    let end = sound.len() - late_frames * FRAME;
    ear[ear.len() - 50 * FRAME..] == sound[end - 50 * FRAME..end]
}

#[test]
fn what_a_stalled_writer_makes_up_for_does_not_delay_the_rest_of_the_call() {
    let sound = words(1_000);
    let (call, ear) = heard(&sound, 1_000, stalls(200..230));
    let put_in = call.counter("input_starved_samples");
    assert_eq!(put_in, 30 * 160);
    // 10 ms may go on waiting.
    assert_eq!(call.counter("input_caught_up_samples"), put_in - 160);
    assert!(is_in_time(&ear, &sound, 1));
    assert_eq!(
        voiced(&ear),
        voiced(&sound[..999 * FRAME]),
        "a word was cut"
    );
}

#[test]
fn a_stall_of_the_shard_alone_needs_no_catching_up() {
    let sound = words(600);
    let mut call = Call::new(config(Vad::Energy));
    for owed in sound.chunks(30 * FRAME) {
        call.write(owed);
        (0..owed.len() / FRAME).for_each(|_| call.tick_as_it_is());
    }
    assert_eq!(call.counter("input_starved_samples"), 0);
    assert_eq!(call.counter("input_caught_up_samples"), 0);
    assert_eq!(call.counter("input_waiting_samples"), FRAME as u64);
}

#[test]
fn who_writes_ahead_loses_nothing() {
    let sound = words(600);
    // By 100, 500 and 900 ms from the beginning on.
    for ahead in [10, 50, 90] {
        let (call, ear) = heard(&sound, 600, |tick| tick + 1 + ahead);
        assert_eq!(call.counter("input_caught_up_samples"), 0);
        assert_eq!(ear, sound);
    }
    // Sentence by sentence, each as fast as the door takes it, with pauses in which nothing is written at all.
    for pause in [20, 80, 150, 400] {
        let mut call = Call::new(config(Vad::Energy));
        let mut ear = Vec::new();
        for sentence in sound.chunks(150 * FRAME) {
            let mut written = 0;
            for _ in 0..150 + pause {
                written += call.write(&sentence[written..]);
                call.tick_as_it_is();
                let mut frame = [0; FRAME];
                call.handles.shared.ear.read(ear.len() as u64, &mut frame);
                ear.extend_from_slice(&frame);
            }
        }
        assert_eq!(
            call.counter("input_caught_up_samples"),
            0,
            "pauses of {pause}"
        );
        let said: Vec<i16> = ear
            .chunks((150 + pause) * FRAME)
            .flat_map(|part| &part[..150 * FRAME])
            .copied()
            .collect();
        assert_eq!(said, sound);
    }
}

#[test]
fn who_says_nothing_for_over_a_second_and_then_writes_ahead_was_not_late() {
    let sound = words(900);
    let brought = |tick: usize| match tick {
        0..200 => tick + 1,
        200..350 => 200,
        _ => tick - 350 + 200 + 51,
    };
    let (call, ear) = heard(&sound, 800, brought);
    assert_eq!(call.counter("input_caught_up_samples"), 0);
    assert_eq!(ear[350 * FRAME..], sound[200 * FRAME..650 * FRAME]);
}

#[test]
fn no_more_is_left_out_than_was_put_in() {
    // Ahead by 500 ms, late by 200 once: the 500 are his own.
    let sound = words(1_000);
    let late = stalls(200..270);
    let (call, ear) = heard(&sound, 900, |tick| late(tick) + 50);
    assert_eq!(call.counter("input_starved_samples"), 20 * 160);
    assert_eq!(call.counter("input_caught_up_samples"), 20 * 160);
    assert_eq!(ear[400 * FRAME..].len(), 500 * FRAME);
    assert_eq!(voiced(&ear), voiced(&sound[..900 * FRAME]));
}

#[test]
fn a_sound_without_a_pause_is_left_whole() {
    let sound: Vec<i16> = (0..800 * FRAME)
        .map(|n| if n % 2 == 0 { 3_000 } else { -3_000 })
        .collect();
    let (call, ear) = heard(&sound, 800, stalls(200..230));
    assert_eq!(call.counter("input_caught_up_samples"), 0);
    assert_eq!(voiced(&ear), sound[..770 * FRAME]);
}

#[test]
fn who_was_late_and_does_not_make_up_for_it_is_left_alone() {
    let sound = words(800);
    let (call, ear) = heard(&sound, 800, loses(200, 30));
    assert_eq!(call.counter("input_caught_up_samples"), 0);
    assert_eq!(voiced(&ear), voiced(&sound[..770 * FRAME]));
}

#[test]
fn what_waited_before_a_live_caller_was_first_heard_does_not_delay_his_call() {
    // By 50 ms, 300 ms, and all that the door holds.
    for late in [5, 30, 99] {
        let sound = words(2_100);
        let (call, ear) = heard_live(&sound, 2_000, |tick| tick + 1 + late);
        assert_eq!(call.counter("input_starved_samples"), 0);
        // In the end nothing waits, and every word was whole.
        assert_eq!(call.counter("input_caught_up_samples"), late as u64 * 160);
        let recorded = &sound[..(2_000 + late) * FRAME];
        assert!(is_in_time(&ear, recorded, 0), "late by {late} frames");
        assert_eq!(voiced(&ear), voiced(recorded));
    }
}

#[test]
fn a_live_caller_who_comes_unevenly_is_heard_whole_and_as_he_comes() {
    let sound = words(1_000);
    // Three frames at a time, every 30 ms; and each up to 60 ms late, with those behind it.
    let in_threes = |tick: usize| tick / 3 * 3 + 3;
    let unevenly = |tick: usize| (tick + 1).saturating_sub(tick * 7_919 % 31 % 7).max(1);
    for brought in [&in_threes as &dyn Fn(usize) -> usize, &unevenly] {
        let (call, ear) = heard_live(&sound, 1_000, brought);
        assert_eq!(call.counter("input_starved_samples"), 0);
        assert_eq!(call.counter("input_caught_up_samples"), 0);
        assert!(ear == sound[..ear.len()], "a word was torn");
        assert!(call.counter("frame_age_in_us_max") <= 30_000);
        call.check();
    }
}

#[test]
fn a_live_caller_who_stalls_is_heard_whole_and_is_in_time_again_after_a_pause() {
    let sound = words(1_500);
    let (call, ear) = heard_live(&sound, 1_500, stalls(200..230));
    // 100 ms were waited for; then the call went on without him.
    assert_eq!(call.counter("input_starved_samples"), 20 * 160);
    assert_eq!(call.counter("input_caught_up_samples"), 20 * 160);
    assert!(is_in_time(&ear, &sound, 0));
    assert_eq!(voiced(&ear), voiced(&sound));
}

#[test]
fn a_live_caller_who_stalls_for_as_long_as_is_waited_for_has_nothing_put_into_his_words() {
    let sound = words(600);
    let (call, ear) = heard_live(&sound, 600, stalls(210..220));
    assert_eq!(call.counter("input_starved_samples"), 0);
    assert_eq!(ear, sound);
}

#[test]
fn when_a_live_caller_has_ended_what_was_waited_for_is_made_up_for() {
    let sound = words(200);
    let (call, ear) = heard_live(&sound, 500, |tick| tick + 1);
    assert_eq!(ear.len(), 500 * FRAME);
    assert_eq!(ear[..200 * FRAME], sound);
    assert_eq!(call.counter("input_starved_samples"), 300 * 160);
    call.check();
}

/// Ada is connected anew, or her track is another: what she said meanwhile never comes.
#[test]
fn what_a_live_caller_never_brings_is_waited_for_no_longer_than_a_second_and_no_word_is_torn_for_it()
 {
    let sound = words(1_500);
    for lost in [1, 6, 30] {
        let (call, ear) = heard_live(&sound, 1_500, loses(210, lost));
        // As much silence as was lost: the call's time is that of its ticks again.
        assert_eq!(
            call.counter("input_starved_samples"),
            lost as u64 * 160,
            "{lost} lost"
        );
        assert_eq!(ear.len(), 1_500 * FRAME);
        assert_eq!(call.counter("input_caught_up_samples"), 0);
        assert!(is_in_time(&ear, &sound[..(1_500 - lost) * FRAME], 0));
        assert!(voiced(&ear) == voiced(&sound[..(1_500 - lost) * FRAME]));
        if lost <= 10 {
            assert_eq!(torn_words(&ear), 0);
        }
        call.check();
    }
}

/// What is owed comes at once, and more than a tick takes waits: it is not lost, however the rest of his words is cut.
#[test]
fn what_a_live_caller_was_behind_by_for_seconds_and_then_brings_is_not_taken_for_lost() {
    let sound = words(1_500);
    for back in 401..440 {
        let late = |tick: usize| match tick {
            tick if (200..back).contains(&tick) => (tick - 8).max(200),
            _ => tick + 1,
        };
        let put_in_before = {
            let (call, _) = heard_live(&sound[..back * FRAME], back, late);
            call.counter("input_starved_samples")
        };
        let (call, ear) = heard_live(&sound, 1_500, late);
        assert_eq!(call.counter("input_starved_samples"), put_in_before);
        assert_eq!(torn_words(&ear), 0, "back in {back}");
        assert!(voiced(&ear) == voiced(&sound), "back in {back}");
        assert!(is_in_time(&ear, &sound, 0));
    }
}

/// What was taken for lost was only late. Wherever the second ends in his words, what is put in is in a pause.
#[test]
fn a_live_caller_who_is_late_for_over_a_second_has_nothing_put_into_his_words() {
    let late = |tick: usize| match tick {
        200..490 => (tick - 2).max(200),
        _ => tick + 1,
    };
    let mut put_in = 0;
    for first in 0..100 {
        let sound = words(1_500 + first).split_off(first * FRAME);
        let (call, ear) = heard_live(&sound, 1_500, late);
        assert_eq!(torn_words(&ear), 0, "from {first} on");
        assert!(voiced(&ear) == voiced(&sound), "from {first} on");
        // All of it is taken out again.
        let starved = call.counter("input_starved_samples");
        assert_eq!(call.counter("input_caught_up_samples"), starved);
        assert!(is_in_time(&ear, &sound, 0));
        put_in = starved.max(put_in);
        call.check();
    }
    assert_eq!(put_in, 3 * 160);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However late his frames are, by up to what is waited for, each after the one before it.
    #[test]
    fn a_live_caller_is_heard_whole_and_is_never_left_behind(late in prop::collection::vec(0..10usize, 400)) {
        let sound = words(late.len());
        let mut arrivals: Vec<usize> = late.iter().enumerate().map(|(frame, late)| frame + late).collect();
        arrivals[0] = 0;
        for frame in 1..arrivals.len() {
            arrivals[frame] = arrivals[frame].max(arrivals[frame - 1]);
        }
        let come = |tick: usize| arrivals.partition_point(|&arrival| arrival <= tick);
        // Ten ticks more for the last, and four for three at a time.
        let (call, ear) = heard_live(&sound, late.len() + 14, come);
        prop_assert!(voiced(&ear) == voiced(&sound));
        prop_assert_eq!(torn_words(&ear), 0);
        // A pause may be longer by what was always late, and what comes in time waits for as much.
        prop_assert!(call.counter("frame_age_in_us_max") <= 150_000);
        call.check();
    }
}
