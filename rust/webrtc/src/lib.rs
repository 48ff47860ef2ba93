//! A WebRTC peer without threads, sockets or clocks: str0m for ICE, DTLS, SRTP and SCTP; sound goes to and from the engine's
//! doors as packets, data as messages.
//!
//! [`rtc_peer`](handle::rtc_peer) makes both sides: an [`RtcPeer`] that a shard or the signalling thread drives, and a
//! [`PeerHandle`] for the protocol that negotiates (LiveKit's, later a browser's).

mod command;
mod event;

pub use command::{
    Channel, ChannelSpec, InputId, Mid, OfferRequest, OutputId, PeerCommand, SendSection,
    SoundInput, SoundOutput,
};
pub use event::{OfferMade, PeerEvent, PeerFault, PeerStats};
