//! How old a frame is, how much waits, and that whoever asks is told.

use crate::common::call::{Call, POLICY, config};
use beluga_engine::Vad;

#[test]
fn the_age_of_what_is_heard_is_counted_from_its_being_written() {
    let mut call = Call::new(config(Vad::Energy));
    // Three frames at 0 ms, read by the ticks at 10, 20 and 30 ms; then one that is read at once.
    assert_eq!(call.write(&[1; 480]), 480);
    (0..3).for_each(|_| call.tick_as_it_is());
    call.tick(&[1; 160]);
    assert_eq!(call.counter("frame_age_in_us_count"), 4);
    assert_eq!(
        call.counter("frame_age_in_us_sum"),
        10_000 + 20_000 + 30_000 + 10_000
    );
    assert_eq!(call.counter("frame_age_in_us_max"), 30_000);
}

#[test]
fn silence_that_was_put_in_has_no_age() {
    let mut call = Call::new(config(Vad::Energy));
    call.tick_as_it_is();
    call.tick_as_it_is();
    assert_eq!(call.counter("frame_age_in_us_count"), 0);
    assert_eq!(call.counter("frame_age_out_us_count"), 2);
}

#[test]
fn more_writes_than_stamps_cost_no_sound_and_little_truth() {
    let mut call = Call::new(config(Vad::Energy));
    let sound: Vec<i16> = (1..=4_000).collect();
    for piece in sound.chunks(10) {
        assert_eq!(call.write(piece), 10);
    }
    (0..25).for_each(|_| call.tick_as_it_is());
    let mut ear = [0; 4_000];
    call.handles.shared.ear.read(0, &mut ear);
    assert_eq!(ear[..], sound[..]);
    // 128 pieces of 10 samples have a time: eight frames.
    assert_eq!(call.counter("frame_age_in_us_max"), 80_000);
    assert_eq!(call.counter("frame_age_in_us_count"), 8);
}

#[test]
fn what_waits_is_shown_with_the_most_that_ever_did() {
    let mut call = Call::new(config(Vad::Energy));
    call.say(&vec![100; 24_000], 24_000, POLICY);
    call.write(&[1; 1_600]);
    (0..5).for_each(|_| call.tick_as_it_is());
    assert_eq!(call.counter("input_waiting_samples_max"), 1_600);
    assert_eq!(call.counter("input_waiting_samples"), 1_600 - 4 * 160);
    assert_eq!(call.counter("mouth_waiting_samples_max"), 24_000);
    let waiting = call.counter("mouth_waiting_samples");
    assert!(
        (24_000 - 5 * 240..24_000 - 3 * 240).contains(&waiting),
        "{waiting}"
    );
    assert!(call.counter("events_waiting_max") >= 1);
}
