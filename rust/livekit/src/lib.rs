//! A participant of a LiveKit room, as a state machine over one peer.
