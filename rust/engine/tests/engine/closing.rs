//! The end of a call, in whatever state it is.

use crate::common::call::{Call, POLICY, config};
use crate::common::caller::Caller;
use beluga_engine::{
    AgentState, Bells, Command, Counters, EarFrame, EventKind, InDoor, Ready, Shard, Vad, Wake,
    pcm_out, session,
};

/// Closes a call after `ticks` of it: first the agent greets, then the caller speaks, talks over the answer, is paused for.
fn close_after(ticks: u64) -> Call {
    let caller = Caller::new(16_000)
        .pause(900)
        .voice(400)
        .pause(1_000)
        .voice(400)
        .pause(800);
    let mut call = Call::new(config(Vad::Energy));
    call.hear_with(&caller.pcm(), |call| {
        if call.ticks == 10 {
            call.say(&vec![3_000; 6_000], 24_000, POLICY);
        }
        if call.ticks == 180 {
            call.say(&vec![3_000; 24_000 * 3], 24_000, POLICY);
        }
        if call.ticks == ticks {
            call.send(Command::Close);
        }
        if call.ticks > ticks {
            assert_eq!(
                call.served(),
                0,
                "it is put away in the tick in which it closes"
            );
        }
    });
    call
}

#[test]
fn a_call_can_be_closed_in_every_state() {
    let mut left = Vec::new();
    for ticks in [0, 1, 15, 60, 110, 165, 190, 240, 250, 280, 300] {
        let mut call = if ticks == 0 {
            Call::new(config(Vad::Energy))
        } else {
            close_after(ticks)
        };
        if ticks == 0 {
            call.send(Command::Close);
            call.tick_as_it_is();
        }
        call.check();
        assert!(call.handles.shared.is_closed());
        assert_eq!(
            call.kinds().last(),
            Some(&EventKind::Closed),
            "after {ticks} ticks"
        );
        assert_eq!(call.count(|kind| matches!(kind, EventKind::Closed)), 1);
        let idle = call.find(|kind| match *kind {
            EventKind::AgentStateChanged {
                from,
                to: AgentState::Idle,
            } => Some(from),
            _ => None,
        });
        left.extend(idle.map(|(_, from)| from));
        let ready: Vec<_> = call.handles.shared.take_ready().collect();
        assert!(
            ready.contains(&Ready::Mouth) && ready.contains(&Ready::Input),
            "whoever waits is to look"
        );
        assert!(ready.contains(&Ready::Ear(7)) && ready.contains(&Ready::Out(3)));
        // Nobody listens any more, and nothing breaks.
        call.handles.mouth.begin(POLICY).ok();
        call.handles.commands.push(Command::Resume).ok();
        call.tick_as_it_is();
    }
    for state in [
        AgentState::Listening,
        AgentState::Thinking,
        AgentState::Speaking,
    ] {
        assert!(
            left.contains(&state),
            "no call was closed while {state:?}: {left:?}"
        );
    }
}

#[test]
fn every_utterance_that_was_heard_is_finished_when_the_call_closes() {
    let call = close_after(200);
    let heard = call.count(|kind| matches!(kind, EventKind::PlayoutStarted { .. }));
    assert_eq!(heard, 2);
    assert_eq!(
        call.count(|kind| matches!(kind, EventKind::PlayoutFinished { .. })),
        heard
    );
}

#[derive(Debug)]
struct Broken;

impl InDoor for Broken {
    fn pull(&mut self, now_us: u64, _frame: &mut EarFrame, _counters: &Counters) -> bool {
        assert!(now_us < 50_000, "this door breaks");
        false
    }
}

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

#[test]
fn a_door_that_panics_ends_its_own_call_and_no_other() {
    let mut shard = Shard::new(None, 3);
    let open = |door: Box<dyn InDoor>, shard: &mut Shard| {
        let (output, ring) = pcm_out(16_000);
        let bell = Bells::new(Box::new(Nobody)).bell();
        let (session, handles) =
            session(config(Vad::Energy), door, Box::new(output), ring, bell).unwrap();
        shard.add(session).unwrap();
        handles
    };
    let (_writer, door) = beluga_engine::pcm_in(16_000).unwrap();
    let first = open(Box::new(door), &mut shard);
    let mut broken = open(Box::new(Broken), &mut shard);
    let (_writer, door) = beluga_engine::pcm_in(16_000).unwrap();
    let third = open(Box::new(door), &mut shard);
    let mut retired = 0;
    for tick in 1..=20u64 {
        shard.tick(tick * 10_000, &mut |_| retired += 1);
    }
    assert_eq!((retired, shard.len()), (1, 2));
    let last = std::iter::from_fn(|| broken.events.pop().ok()).last();
    assert_eq!(last.map(|event| event.kind), Some(EventKind::Failed));
    assert!(broken.shared.is_closed());
    assert!(
        broken.shared.take_ready().count() == 3 + 8 + 4,
        "whoever waits is to look"
    );
    for healthy in [first, third] {
        assert!(!healthy.shared.is_closed());
        assert_eq!(healthy.shared.counters.ticks.get(), 20);
    }
}
