//! What the agent is said to do.

use crate::common::call::{Call, POLICY, config};
use crate::common::caller::Caller;
use beluga_engine::{AgentState, Command, EventKind, Vad};

fn agent(call: &Call) -> Vec<AgentState> {
    let to = |kind: EventKind| match kind {
        EventKind::AgentStateChanged { to, .. } => Some(to),
        _ => None,
    };
    call.kinds().into_iter().filter_map(to).collect()
}

fn after_a_turn(answer: impl FnOnce(&mut Call)) -> Vec<AgentState> {
    let mut call = Call::new(config(Vad::Energy));
    call.hear(&Caller::new(16_000).pause(800).voice(600).pause(400).pcm());
    assert_eq!(call.turns_ended().len(), 1);
    answer(&mut call);
    call.wait(500);
    call.check();
    agent(&call)
}

use AgentState::{Listening, Speaking, Thinking};

#[test]
fn an_answer_is_thought_about_spoken_and_over() {
    let states = after_a_turn(|call| {
        call.say(&[3_000; 4_800], 24_000, POLICY);
        call.send(Command::ReplyDone(u32::MAX));
    });
    assert_eq!(states, [Listening, Thinking, Speaking, Listening]);
}

#[test]
fn between_two_utterances_of_an_answer_the_agent_thinks() {
    let states = after_a_turn(|call| {
        call.say(&[3_000; 2_400], 24_000, POLICY);
        call.wait(200);
        call.say(&[3_000; 2_400], 24_000, POLICY);
        call.send(Command::ReplyDone(u32::MAX));
    });
    assert_eq!(
        states,
        [Listening, Thinking, Speaking, Thinking, Speaking, Listening]
    );
}

#[test]
fn no_answer_is_the_callers_turn_again() {
    assert_eq!(
        after_a_turn(|call| call.send(Command::ReplyDone(u32::MAX))),
        [Listening, Thinking, Listening]
    );
}

#[test]
fn an_answer_without_a_sound_is_the_callers_turn_again() {
    let states = after_a_turn(|call| {
        call.handles.mouth.begin(POLICY).unwrap();
        call.send(Command::ReplyDone(u32::MAX));
        call.wait(100);
        call.handles.mouth.end().unwrap();
    });
    assert_eq!(states, [Listening, Thinking, Listening]);
}

#[test]
fn an_answer_that_is_dropped_unheard_is_the_callers_turn_again() {
    let states = after_a_turn(|call| {
        call.handles.mouth.begin(POLICY).unwrap();
        call.send(Command::ReplyDone(u32::MAX));
        call.wait(100);
        call.send(Command::Drop(1));
    });
    assert_eq!(states, [Listening, Thinking, Listening]);
}

#[test]
fn an_utterance_shorter_than_a_frame_is_spoken() {
    let states = after_a_turn(|call| {
        call.say(&[3_000; 100], 24_000, POLICY);
        call.send(Command::ReplyDone(u32::MAX));
    });
    assert_eq!(states, [Listening, Thinking, Speaking, Listening]);
}

#[test]
fn an_answer_to_an_earlier_turn_is_not_taken_for_this_ones() {
    let states = after_a_turn(|call| {
        // The answer to turn 0 was on its way when turn 1 ended.
        call.send(Command::ReplyDone(0));
        call.wait(100);
        call.say(&[3_000; 2_400], 24_000, POLICY);
        call.send(Command::ReplyDone(1));
    });
    assert_eq!(states, [Listening, Thinking, Speaking, Listening]);
}
