//! Too little from the caller, too late, or too much at once.

use crate::common::call::{Call, config};
use crate::common::caller::Caller;
use beluga_engine::{Command, EventKind, Ready, Vad};

#[test]
fn where_the_caller_s_side_has_nothing_there_is_silence_and_nothing_is_lost() {
    let mut call = Call::new(config(Vad::Energy));
    let sound: Vec<i16> = (1..=800).collect();
    assert_eq!(call.write(&sound[..250]), 250);
    call.tick_as_it_is();
    call.tick_as_it_is();
    call.tick(&sound[250..]);
    (0..4).for_each(|_| call.tick_as_it_is());
    let mut ear = [0; 7 * 160];
    call.handles.shared.ear.read(0, &mut ear);
    assert_eq!(ear[..160], sound[..160]);
    assert_eq!(
        ear[160..320],
        [0; 160],
        "half a frame waits for its other half"
    );
    assert_eq!(ear[320..960], sound[160..]);
    assert_eq!(call.counter("input_starved_samples"), 320);
}

#[test]
fn a_full_door_says_when_there_is_room() {
    let mut call = Call::new(config(Vad::Energy));
    assert_eq!(call.write(&[5; 20_000]), 16_000, "a second fits");
    assert!(!call.input.gauge().want(call.input.room_for(480)));
    (0..2).for_each(|_| call.tick_as_it_is());
    assert!(
        !call
            .handles
            .shared
            .take_ready()
            .any(|ready| ready == Ready::Input)
    );
    call.tick_as_it_is();
    assert!(
        call.handles
            .shared
            .take_ready()
            .any(|ready| ready == Ready::Input)
    );
    assert_eq!(call.write(&[5; 20_000]), 480);
}

#[test]
fn a_late_shard_takes_the_ticks_it_owes_at_once_and_is_on_time_again() {
    let caller = Caller::new(16_000).pause(1_000).voice(700).pause(900);
    let sound = caller.pcm();
    let mut on_time = Call::new(config(Vad::Energy));
    on_time.hear(&sound);
    let mut late = Call::new(config(Vad::Energy));
    for owed in sound.chunks(160 * 40) {
        assert_eq!(late.write(owed), owed.len());
        (0..owed.len() / 160).for_each(|_| late.tick_as_it_is());
    }
    assert_eq!(late.events, on_time.events);
    assert_eq!(late.counter("input_starved_samples"), 0);
}

#[test]
fn a_reader_is_told_once_when_there_is_enough() {
    let mut call = Call::new(config(Vad::Energy));
    let shared = call.handles.shared.clone();
    let ready = || shared.take_ready().collect::<Vec<_>>();
    assert!(!shared.ear_wait(3).want(480));
    assert!(!shared.out_wait(1).want(500));
    call.wait(20);
    assert_eq!(ready(), []);
    call.wait(10);
    assert_eq!(ready(), [Ready::Ear(3), Ready::Out(1)]);
    call.wait(50);
    assert_eq!(ready(), []);
    assert!(
        shared.ear_wait(3).want(480),
        "what is there already is said at once"
    );
}

#[test]
fn events_that_nobody_drains_are_counted_and_the_last_one_is_kept() {
    let mut call = Call::new(config(Vad::Energy));
    for _ in 0..800 {
        for _ in 0..2 {
            call.handles
                .mouth
                .begin(crate::common::call::POLICY)
                .unwrap();
            call.handles.mouth.end().unwrap();
        }
        call.handles
            .commands
            .push(Command::ReplyDone(u32::MAX))
            .unwrap();
        // Not `tick`: that drains.
        assert_eq!(call.write(&[0; 160]), 160);
        call.tick_undrained();
    }
    call.send(Command::Close);
    call.tick_undrained();
    let mut events = Vec::new();
    while let Ok(event) = call.handles.events.pop() {
        events.push(event.kind);
    }
    assert_eq!(events.len(), 1_024);
    assert_eq!(events.last(), Some(&EventKind::Closed));
    assert!(call.counter("events_dropped") >= 570);
}
