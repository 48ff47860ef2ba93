//! Whose turn it is: speech and playout in, turns, interruptions and states out.
//!
//! A pure state machine: time is the position it is given, sound and clocks are elsewhere. Barge-in is decided here,
//! under the policy of the utterance being spoken (design law 5); Python hears of it after.

use crate::counters::Counters;
use crate::event::{EventKind, InterruptionAction, TurnId, UtteranceId};
use crate::state::{AgentState, UserState};
use crate::time::EAR_FRAME_SAMPLES;
use beluga_vad::{SpeechDetector, SpeechEdge};

/// How turns end and are interrupted. Lengths are samples at 16 kHz.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TurnConfig {
    /// Silence after the last voiced sample that ends a turn (livekit-agents: `endpointing.min_delay`).
    pub min_delay: u64,
    /// How much of what came before the first voiced sample belongs to a turn (`prefix_padding_duration`).
    pub pre_roll: u64,
    /// What the caller says over an utterance that may not be interrupted is no turn.
    pub discard_audio_if_uninterruptible: bool,
    /// A paused utterance goes on by itself after this much silence without words; `None` never.
    pub false_interruption_timeout: Option<u64>,
    /// The caller counts as away after this much silence; `None` never.
    pub away_after: Option<u64>,
}

/// What an utterance lets the caller do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterruptionPolicy {
    /// Whether the caller may interrupt at all.
    pub allow: bool,
    /// Voiced samples at 16 kHz that make an interruption.
    pub min_speech: u64,
    /// What is then done.
    pub action: InterruptionAction,
}

/// What the turn machine must know of the playout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlayoutView {
    /// The utterance being heard: started, neither paused nor dropped.
    pub audible: Option<(UtteranceId, InterruptionPolicy)>,
    /// Microseconds of the current utterance that were played.
    pub played_us: u64,
    /// Something waits to be played.
    pub pending: bool,
}

/// What the playout is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayoutOrder {
    /// Fade out and hold the rest.
    Pause,
    /// Go on where the fade began.
    Resume,
    /// Become quieter, or as loud as before.
    Duck(bool),
}

#[derive(Debug, Clone, Copy)]
struct OpenTurn {
    id: TurnId,
    onset: u64,
    /// The caller began while the agent was heard.
    began_over_agent: bool,
    /// Since when both are heard without a break.
    overlap_from: Option<u64>,
    interrupted: Option<UtteranceId>,
}

/// See the module.
#[derive(Debug)]
pub struct TurnMachine {
    config: TurnConfig,
    thinking_policy: InterruptionPolicy,
    agent: AgentState,
    user: UserState,
    turns: TurnId,
    turn: Option<OpenTurn>,
    /// The caller speaks over an utterance that may not be interrupted.
    ignoring: bool,
    paused: Option<UtteranceId>,
    ducked: bool,
    /// Where the newest turn was over.
    last_turn_end: u64,
    /// A turn has ended and its answer is not complete.
    awaited_reply: Option<TurnId>,
    quiet_since: u64,
}

impl TurnMachine {
    /// A machine before its first tick. `thinking_policy` is what the caller may do while the agent thinks.
    #[must_use]
    pub fn new(config: TurnConfig, thinking_policy: InterruptionPolicy) -> Self {
        Self {
            config,
            thinking_policy,
            agent: AgentState::Initializing,
            user: UserState::Listening,
            turns: 0,
            turn: None,
            ignoring: false,
            paused: None,
            ducked: false,
            last_turn_end: 0,
            awaited_reply: None,
            quiet_since: 0,
        }
    }

    /// What the agent does.
    #[must_use]
    pub fn agent(&self) -> AgentState {
        self.agent
    }

    /// What the caller does.
    #[must_use]
    pub fn user(&self) -> UserState {
        self.user
    }

    /// Takes 10 ms: `now` is the position at its end, `edge` what the detector found in it.
    pub fn step(
        &mut self,
        now: u64,
        speech: &SpeechDetector,
        edge: Option<SpeechEdge>,
        playout: PlayoutView,
        out: &mut Outbox<'_>,
    ) {
        if self.agent == AgentState::Initializing {
            self.set_agent(AgentState::Listening, out);
        }
        match edge {
            Some(SpeechEdge::Started { onset }) => self.speech_started(onset, playout, out),
            Some(SpeechEdge::Ended { .. }) => self.speech_ended(out),
            None => {}
        }
        if self.ignoring && playout.audible.is_none() {
            // The agent is done. If the caller still talks, it is his turn from here on; his pauses are none.
            let newest = now - EAR_FRAME_SAMPLES as u64;
            if speech.voiced_end() > newest {
                self.ignoring = false;
                self.open_turn(newest, false, out);
            }
        }
        self.consider_interruption(now, speech, playout, out);
        self.consider_end_of_turn(now, speech, playout, out);
        self.consider_resuming(now, speech, out);
        self.consider_no_reply(playout, out);
        self.consider_away(now, speech, playout, out);
    }

    /// The first sample of an utterance goes out.
    pub fn playout_started(&mut self, out: &mut Outbox<'_>) {
        self.set_agent(AgentState::Speaking, out);
    }

    /// An utterance is over, played or dropped.
    pub fn playout_finished(&mut self, out: &mut Outbox<'_>) {
        self.paused = None;
        if self.agent == AgentState::Speaking {
            self.set_agent(
                if self.awaited_reply.is_some() {
                    AgentState::Thinking
                } else {
                    AgentState::Listening
                },
                out,
            );
        }
    }

    /// Python gives up an utterance: if it is the one that is paused, there is no resuming it any more.
    pub fn dropped(&mut self, utterance: UtteranceId) {
        self.paused = self.paused.filter(|&paused| paused != utterance);
    }

    /// Python wants what is paused to go on, as it heard no words.
    pub fn resume(&mut self, out: &mut Outbox<'_>) {
        self.resume_paused(false, out);
    }

    /// The answers to the turns up to and including `through` are complete, or there will be none.
    pub fn reply_done(&mut self, through: TurnId) {
        // Not that of a turn which has ended since: its answer is still to come.
        self.awaited_reply = self.awaited_reply.filter(|&turn| turn > through);
    }

    /// The session is over.
    pub fn close(&mut self, out: &mut Outbox<'_>) {
        if self.agent != AgentState::Initializing && self.agent != AgentState::Idle {
            self.set_agent(AgentState::Idle, out);
        }
    }

    fn speech_started(&mut self, onset: u64, playout: PlayoutView, out: &mut Outbox<'_>) {
        self.set_user(UserState::Speaking, out);
        if self.turn.is_some() {
            return;
        }
        match playout.audible {
            Some((_, policy)) if !policy.allow && self.config.discard_audio_if_uninterruptible => {
                self.ignoring = true
            }
            audible => self.open_turn(onset, audible.is_some(), out),
        }
    }

    fn speech_ended(&mut self, out: &mut Outbox<'_>) {
        self.set_user(UserState::Listening, out);
        self.ignoring = false;
        if self.ducked {
            self.ducked = false;
            out.order(PlayoutOrder::Duck(false));
        }
    }

    fn open_turn(&mut self, onset: u64, began_over_agent: bool, out: &mut Outbox<'_>) {
        self.turns += 1;
        let overlap_from = began_over_agent.then_some(onset);
        self.turn = Some(OpenTurn {
            id: self.turns,
            onset,
            began_over_agent,
            overlap_from,
            interrupted: None,
        });
        // The pre-roll may reach back into the turn before, whose words were heard with it.
        let read_from = onset
            .saturating_sub(self.config.pre_roll)
            .max(self.last_turn_end.min(onset));
        out.event(EventKind::TurnStarted {
            turn: self.turns,
            onset,
            read_from,
        });
    }

    fn consider_interruption(
        &mut self,
        now: u64,
        speech: &SpeechDetector,
        playout: PlayoutView,
        out: &mut Outbox<'_>,
    ) {
        let Some(turn) = &mut self.turn else { return };
        if playout.audible.is_none() {
            turn.overlap_from = None;
        }
        if !speech.is_speaking() {
            return;
        }
        let onset = speech.onset();
        let voiced_since = |from: u64| speech.voiced_end().saturating_sub(onset.max(from));
        if let Some((utterance, policy)) = playout.audible {
            if turn.interrupted == Some(utterance) {
                return;
            }
            // An utterance that begins in the middle of the caller's words is spoken over from there on only.
            let from = *turn.overlap_from.get_or_insert(now);
            if !policy.allow || voiced_since(from) < policy.min_speech {
                return;
            }
            turn.interrupted = Some(utterance);
            out.event(EventKind::Interrupted {
                utterance,
                onset,
                played_us: playout.played_us,
                action: policy.action,
            });
            match policy.action {
                InterruptionAction::Pause => {
                    self.paused = Some(utterance);
                    out.order(PlayoutOrder::Pause);
                    self.set_agent(AgentState::Listening, out);
                }
                InterruptionAction::Duck => {
                    self.ducked = true;
                    out.order(PlayoutOrder::Duck(true));
                }
                InterruptionAction::AwaitWords => {}
            }
        } else if self.agent == AgentState::Thinking
            && self.awaited_reply.is_some()
            && self.thinking_policy.allow
            && voiced_since(turn.onset) >= self.thinking_policy.min_speech
        {
            self.awaited_reply = None;
            out.event(EventKind::Interrupted {
                utterance: 0,
                onset,
                played_us: 0,
                action: InterruptionAction::Pause,
            });
            self.set_agent(AgentState::Listening, out);
        }
    }

    fn consider_end_of_turn(
        &mut self,
        now: u64,
        speech: &SpeechDetector,
        playout: PlayoutView,
        out: &mut Outbox<'_>,
    ) {
        let Some(turn) = self.turn else { return };
        if speech.is_speaking()
            || speech.hears_speech()
            || speech.silence_samples(now) < self.config.min_delay
        {
            return;
        }
        self.turn = None;
        self.last_turn_end = now;
        let no_turn = |policy: InterruptionPolicy| {
            policy.allow || self.config.discard_audio_if_uninterruptible
        };
        if turn.began_over_agent
            && turn.interrupted.is_none()
            && playout.audible.is_some_and(|(_, policy)| no_turn(policy))
        {
            out.event(EventKind::TurnDropped { turn: turn.id });
            return;
        }
        self.awaited_reply = Some(turn.id);
        out.event(EventKind::TurnEnded {
            turn: turn.id,
            onset: turn.onset,
            voiced_end: speech.voiced_end(),
        });
        if self.agent == AgentState::Listening {
            self.set_agent(AgentState::Thinking, out);
        }
    }

    fn consider_resuming(&mut self, now: u64, speech: &SpeechDetector, out: &mut Outbox<'_>) {
        let Some(timeout) = self.config.false_interruption_timeout else {
            return;
        };
        if self.turn.is_none()
            && self.user != UserState::Speaking
            && speech.silence_samples(now) >= timeout
        {
            self.resume_paused(true, out);
        }
    }

    fn resume_paused(&mut self, timed_out: bool, out: &mut Outbox<'_>) {
        if let Some(utterance) = self.paused.take() {
            out.event(EventKind::Resumed {
                utterance,
                timed_out,
            });
            out.order(PlayoutOrder::Resume);
            self.set_agent(AgentState::Speaking, out);
        }
    }

    /// Nothing is thought about any more and nothing waits to be said: it is the caller's turn.
    fn consider_no_reply(&mut self, playout: PlayoutView, out: &mut Outbox<'_>) {
        if self.agent == AgentState::Thinking
            && self.awaited_reply.is_none()
            && !playout.pending
            && self.paused.is_none()
        {
            self.set_agent(AgentState::Listening, out);
        }
    }

    fn consider_away(
        &mut self,
        now: u64,
        speech: &SpeechDetector,
        playout: PlayoutView,
        out: &mut Outbox<'_>,
    ) {
        let busy = self.user == UserState::Speaking
            || self.agent != AgentState::Listening
            || self.turn.is_some()
            || playout.pending
            || speech.is_speaking();
        if busy {
            self.quiet_since = now;
        }
        if let Some(after) = self.config.away_after
            && self.user == UserState::Listening
            && now - self.quiet_since >= after
        {
            self.set_user(UserState::Away, out);
        }
    }

    fn set_agent(&mut self, to: AgentState, out: &mut Outbox<'_>) {
        let from = self.agent;
        if from == to {
            return;
        }
        out.check(from.allows(to));
        self.agent = to;
        out.event(EventKind::AgentStateChanged { from, to });
    }

    fn set_user(&mut self, to: UserState, out: &mut Outbox<'_>) {
        let from = self.user;
        if from == to {
            return;
        }
        out.check(from.allows(to));
        self.user = to;
        out.event(EventKind::UserStateChanged { from, to });
    }
}

/// Where a step leaves its events and orders: the tick has room for them, so nothing is allocated.
pub struct Outbox<'a> {
    event: &'a mut dyn FnMut(EventKind),
    orders: [Option<PlayoutOrder>; 4],
    counters: &'a Counters,
}

impl std::fmt::Debug for Outbox<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("orders", &self.orders)
            .finish_non_exhaustive()
    }
}

impl<'a> Outbox<'a> {
    /// An empty one; events go to `event` at once.
    pub fn new(event: &'a mut dyn FnMut(EventKind), counters: &'a Counters) -> Self {
        Self {
            event,
            orders: [None; 4],
            counters,
        }
    }

    /// The orders of the step, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = PlayoutOrder> + use<> {
        self.orders.into_iter().flatten()
    }

    fn event(&mut self, kind: EventKind) {
        (self.event)(kind);
    }

    fn order(&mut self, order: PlayoutOrder) {
        // A step gives at most one order of each kind, so four places are enough.
        if let Some(place) = self.orders.iter_mut().find(|place| place.is_none()) {
            *place = Some(order);
        }
    }

    fn check(&self, legal: bool) {
        if !legal {
            self.counters.illegal_transitions.add(1);
        }
    }
}
