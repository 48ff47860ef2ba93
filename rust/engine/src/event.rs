//! What the core tells Python: small, copied, in order.

use crate::state::{AgentState, UserState};

/// Number of a caller's turn, from 1.
pub type TurnId = u32;
/// Number of an agent's utterance, from 1.
pub type UtteranceId = u32;

/// One event and when it happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Session time: samples at 16 kHz that were heard by the end of the tick, or put in where there was nothing to hear.
    pub at: u64,
    /// The clock handed to the tick, microseconds.
    pub now_us: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. Positions are samples at 16 kHz of session time unless named otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EventKind {
    /// The caller began or ceased to speak, or went away.
    UserStateChanged {
        /// Before.
        from: UserState,
        /// Now.
        to: UserState,
    },
    /// The agent's state changed.
    AgentStateChanged {
        /// Before.
        from: AgentState,
        /// Now.
        to: AgentState,
    },
    /// A turn of the caller has begun: his words start at `onset`; read the ear from `read_from`.
    TurnStarted {
        /// The turn.
        turn: TurnId,
        /// First voiced sample.
        onset: u64,
        /// `onset` less the pre-roll, and no earlier than the turn before was over.
        read_from: u64,
    },
    /// The caller's turn is over; the answer may begin.
    TurnEnded {
        /// The turn.
        turn: TurnId,
        /// First voiced sample.
        onset: u64,
        /// One past the last voiced sample.
        voiced_end: u64,
    },
    /// What the caller said is no turn: too short to interrupt the agent, or said while the agent may not be interrupted.
    TurnDropped {
        /// The turn.
        turn: TurnId,
    },
    /// The caller speaks over the agent, for long enough: the sound is fading out, or ducked, or words are waited for.
    Interrupted {
        /// The utterance; 0 if the agent was still thinking.
        utterance: UtteranceId,
        /// First voiced sample of the interruption.
        onset: u64,
        /// Microseconds of the utterance that were played before the fade.
        played_us: u64,
        /// What is being done to the sound.
        action: InterruptionAction,
    },
    /// A paused utterance goes on from the sample where its fade began.
    Resumed {
        /// The utterance.
        utterance: UtteranceId,
        /// By itself, because no words came in time.
        timed_out: bool,
    },
    /// First sample of an utterance handed to the transport.
    PlayoutStarted {
        /// The utterance.
        utterance: UtteranceId,
    },
    /// The transport has been handed all that will be played of an utterance.
    PlayoutFinished {
        /// The utterance.
        utterance: UtteranceId,
        /// Microseconds of it that were played.
        played_us: u64,
        /// Cut short.
        interrupted: bool,
    },
    /// A mark in an utterance was reached.
    MarkReached {
        /// The utterance.
        utterance: UtteranceId,
        /// The mark's number.
        mark: u32,
        /// Microseconds of the utterance before the mark.
        played_us: u64,
    },
    /// The session is over; nothing follows.
    Closed,
    /// The session's own code failed; nothing follows.
    Failed,
}

/// What the core does with an utterance that is spoken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterruptionAction {
    /// Fades out within a frame and holds the rest.
    Pause,
    /// Goes on, quieter, for as long as the caller speaks.
    Duck,
    /// Goes on as it was: somebody counts words and decides.
    AwaitWords,
}
