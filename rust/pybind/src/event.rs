//! Events as Python sees them.

use beluga_engine::{EAR_HZ, EventKind, InterruptionAction};
use pyo3::prelude::*;

/// One event; fields that its kind does not have are None.
#[pyclass(frozen, get_all, module = "beluga_voice._core")]
#[derive(Default)]
pub(crate) struct Event {
    kind: &'static str,
    at_s: f64,
    now_us: u64,
    turn: Option<u32>,
    utterance: Option<u32>,
    mark: Option<u32>,
    onset_s: Option<f64>,
    voiced_end_s: Option<f64>,
    read_from: Option<u64>,
    played_s: Option<f64>,
    old_state: Option<&'static str>,
    new_state: Option<&'static str>,
    action: Option<&'static str>,
    timed_out: Option<bool>,
    interrupted: Option<bool>,
}

#[pymethods]
impl Event {
    fn __repr__(&self) -> String {
        let number = self
            .turn
            .or(self.utterance)
            .map_or(String::new(), |number| format!(" {number}"));
        format!("<Event {}{number} at {:.2} s>", self.kind, self.at_s)
    }
}

impl From<beluga_engine::Event> for Event {
    fn from(event: beluga_engine::Event) -> Self {
        let base = Self {
            at_s: seconds(event.at),
            now_us: event.now_us,
            ..Self::default()
        };
        match event.kind {
            EventKind::UserStateChanged { from, to } => Self {
                kind: "user_state_changed",
                old_state: Some(from.as_str()),
                new_state: Some(to.as_str()),
                ..base
            },
            EventKind::AgentStateChanged { from, to } => Self {
                kind: "agent_state_changed",
                old_state: Some(from.as_str()),
                new_state: Some(to.as_str()),
                ..base
            },
            EventKind::TurnStarted {
                turn,
                onset,
                read_from,
            } => Self {
                kind: "turn_started",
                turn: Some(turn),
                onset_s: Some(seconds(onset)),
                read_from: Some(read_from),
                ..base
            },
            EventKind::TurnEnded {
                turn,
                onset,
                voiced_end,
            } => Self {
                kind: "turn_ended",
                turn: Some(turn),
                onset_s: Some(seconds(onset)),
                voiced_end_s: Some(seconds(voiced_end)),
                ..base
            },
            EventKind::TurnDropped { turn } => Self {
                kind: "turn_dropped",
                turn: Some(turn),
                ..base
            },
            EventKind::Interrupted {
                utterance,
                onset,
                played_us,
                action,
            } => Self {
                kind: "interrupted",
                utterance: (utterance != 0).then_some(utterance),
                onset_s: Some(seconds(onset)),
                played_s: Some(played_us as f64 / 1e6),
                action: Some(action_name(action)),
                ..base
            },
            EventKind::Resumed {
                utterance,
                timed_out,
            } => Self {
                kind: "resumed",
                utterance: Some(utterance),
                timed_out: Some(timed_out),
                ..base
            },
            EventKind::PlayoutStarted { utterance } => Self {
                kind: "playout_started",
                utterance: Some(utterance),
                ..base
            },
            EventKind::PlayoutFinished {
                utterance,
                played_us,
                interrupted,
            } => Self {
                kind: "playout_finished",
                utterance: Some(utterance),
                played_s: Some(played_us as f64 / 1e6),
                interrupted: Some(interrupted),
                ..base
            },
            EventKind::MarkReached {
                utterance,
                mark,
                played_us,
            } => Self {
                kind: "mark_reached",
                utterance: Some(utterance),
                mark: Some(mark),
                played_s: Some(played_us as f64 / 1e6),
                ..base
            },
            EventKind::Closed => Self {
                kind: "closed",
                ..base
            },
            EventKind::Failed => Self {
                kind: "failed",
                ..base
            },
        }
    }
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(EAR_HZ)
}

fn action_name(action: InterruptionAction) -> &'static str {
    match action {
        InterruptionAction::Pause => "pause",
        InterruptionAction::Duck => "duck",
        InterruptionAction::AwaitWords => "await_words",
    }
}

/// The action of a name.
pub(crate) fn action_of(name: &str) -> Option<InterruptionAction> {
    match name {
        "pause" => Some(InterruptionAction::Pause),
        "duck" => Some(InterruptionAction::Duck),
        "await_words" => Some(InterruptionAction::AwaitWords),
        _ => None,
    }
}
