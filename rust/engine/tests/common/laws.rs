//! What holds of every sequence of events.

use beluga_engine::{AgentState, Event, EventKind, TurnConfig, UserState};
use std::collections::HashMap;

#[derive(Default)]
struct Utterance {
    started: bool,
    finished: bool,
    interrupted: bool,
    reached_us: u64,
}

/// Panics where events break the table of states, the nesting of turns or the order of playout.
pub fn check(events: &[Event], config: &TurnConfig) {
    let (mut agent, mut user) = (AgentState::Initializing, UserState::Listening);
    let mut open = None;
    let mut turns = 0;
    let mut newest = 0;
    let (mut last_voiced_end, mut last_turn_end) = (0, 0);
    let mut utterances: HashMap<u32, Utterance> = HashMap::new();
    let mut over = false;
    let mut before = (0, 0);
    for event in events {
        assert!(!over, "{event:?} after the end");
        assert!(
            (event.at, event.now_us) >= before,
            "{event:?} goes back in time"
        );
        before = (event.at, event.now_us);
        match event.kind {
            EventKind::AgentStateChanged { from, to } => {
                assert!(
                    from == agent && from.allows(to),
                    "{event:?} in state {agent:?}"
                );
                agent = to;
            }
            EventKind::UserStateChanged { from, to } => {
                assert!(
                    from == user && from.allows(to),
                    "{event:?} in state {user:?}"
                );
                user = to;
            }
            EventKind::TurnStarted {
                turn,
                onset,
                read_from,
            } => {
                assert_eq!((open, turn), (None, turns + 1), "{event:?}");
                assert!(read_from <= onset && onset <= event.at, "{event:?}");
                assert!(
                    read_from >= last_turn_end.min(onset),
                    "{event:?}: the turn before was over at {last_turn_end}"
                );
                assert!(
                    onset >= last_voiced_end,
                    "{event:?} reaches into the turn before, which ends at {last_voiced_end}"
                );
                turns = turn;
                open = Some(turn);
            }
            EventKind::TurnEnded {
                turn,
                onset,
                voiced_end,
            } => {
                assert_eq!(open.take(), Some(turn), "{event:?}");
                assert!(onset < voiced_end, "{event:?} has no voice");
                let silence = event.at - voiced_end;
                assert!(
                    silence >= config.min_delay,
                    "{event:?} after {silence} samples of silence"
                );
                (last_voiced_end, last_turn_end) = (voiced_end, event.at);
            }
            EventKind::TurnDropped { turn } => {
                assert_eq!(open.take(), Some(turn), "{event:?}");
                last_turn_end = event.at;
            }
            EventKind::Interrupted {
                utterance,
                onset,
                played_us,
                ..
            } => {
                assert!(open.is_some() && onset <= event.at, "{event:?}");
                if utterance != 0 {
                    let spoken = utterances
                        .get_mut(&utterance)
                        .expect("an utterance that was begun");
                    assert!(
                        spoken.started && !spoken.finished && played_us >= spoken.reached_us,
                        "{event:?}"
                    );
                    spoken.interrupted = true;
                    spoken.reached_us = played_us;
                }
            }
            EventKind::Resumed { utterance, .. } => {
                assert!(
                    utterances[&utterance].interrupted && !utterances[&utterance].finished,
                    "{event:?}"
                );
            }
            EventKind::PlayoutStarted { utterance } => {
                let spoken = utterances.entry(utterance).or_default();
                assert!(
                    !spoken.started && !spoken.finished && utterance > newest,
                    "{event:?}"
                );
                spoken.started = true;
                newest = utterance;
            }
            EventKind::MarkReached {
                utterance,
                played_us,
                ..
            } => {
                let spoken = utterances.entry(utterance).or_default();
                assert!(
                    !spoken.finished && played_us >= spoken.reached_us,
                    "{event:?}"
                );
                spoken.reached_us = played_us;
            }
            EventKind::PlayoutFinished {
                utterance,
                played_us,
                ..
            } => {
                let spoken = utterances.entry(utterance).or_default();
                assert!(
                    !spoken.finished && played_us >= spoken.reached_us && utterance >= newest,
                    "{event:?}"
                );
                assert!(spoken.started || played_us == 0, "{event:?}");
                spoken.finished = true;
                newest = utterance;
            }
            EventKind::Closed | EventKind::Failed => over = true,
        }
    }
}
