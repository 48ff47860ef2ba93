//! The states of a call and the one table of what may follow what.
//!
//! livekit-agents' names. requirements.md's states are views of these: its `processing` is [`AgentState::Thinking`],
//! its `completed` is [`SessionState::Ended`]. An interruption is an event, not a state.

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal -> [$($next:ident),*];)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every state, in the order of a call.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name users see.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// What may follow this state.
            #[must_use]
            pub const fn next(self) -> &'static [Self] {
                match self { $(Self::$variant => &[$(Self::$next),*],)+ }
            }

            /// Whether `to` may follow this state.
            #[must_use]
            pub fn allows(self, to: Self) -> bool {
                self.next().contains(&to)
            }
        }
    };
}

states! {
    /// What the agent does.
    AgentState {
        /// The session is being set up.
        Initializing = "initializing" -> [Idle, Listening];
        /// Nobody listens: the session ended or was never begun.
        Idle = "idle" -> [Listening];
        /// It is the caller's turn.
        Listening = "listening" -> [Thinking, Speaking, Idle];
        /// The caller's turn is over and no sound of the answer has been played.
        Thinking = "thinking" -> [Speaking, Listening, Idle];
        /// The agent is heard.
        Speaking = "speaking" -> [Listening, Thinking, Idle];
    }
}

states! {
    /// What the caller does.
    UserState {
        /// Silent.
        Listening = "listening" -> [Speaking, Away];
        /// Heard.
        Speaking = "speaking" -> [Listening];
        /// Silent for so long that nobody may be there.
        Away = "away" -> [Speaking, Listening];
    }
}

states! {
    /// What has become of the call.
    SessionState {
        /// Not started.
        Initial = "initial" -> [Active, Ended, Error];
        /// Sound flows.
        Active = "active" -> [Reconnecting, Ended, Error];
        /// The transport is gone and being brought back.
        Reconnecting = "reconnecting" -> [Active, Ended, Error];
        /// Over, as intended.
        Ended = "ended" -> [];
        /// Over, because something failed.
        Error = "error" -> [];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_state_can_be_reached_and_left() {
        for &state in AgentState::ALL {
            assert!(!state.next().is_empty(), "{state:?} has no way out");
            let entered = AgentState::ALL.iter().any(|from| from.allows(state));
            assert!(
                entered || state == AgentState::Initializing,
                "{state:?} has no way in"
            );
            assert!(!state.allows(state), "{state:?} follows itself");
        }
    }

    #[test]
    fn an_ended_session_stays_ended() {
        assert!(SessionState::Ended.next().is_empty());
        assert!(SessionState::Error.next().is_empty());
    }
}
