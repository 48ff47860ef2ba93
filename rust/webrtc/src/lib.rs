//! A WebRTC peer without threads, sockets or clocks: str0m for ICE, DTLS, SRTP and SCTP; sound goes to and from the engine's
//! doors as packets, data as messages.
//!
//! [`rtc_peer`] makes both sides: an [`RtcPeer`] that a shard or the signalling thread drives, and a [`PeerHandle`] for the
//! protocol that negotiates (LiveKit's, later a browser's).

mod answer;
mod arrivals;
mod command;
mod config;
mod data;
mod event;
mod exchange;
mod handle;
mod identity;
mod negotiation;
mod numbering;
mod outbox;
mod peer;
mod repeats;
mod rtc;
mod section;
mod sound_in;
mod sound_out;

pub use command::{
    Channel, ChannelSpec, InputId, Mid, OfferRequest, OutputId, PeerCommand, SendSection,
    SoundInput, SoundOutput,
};
pub use config::{ClockEpoch, RtcPeerConfig};
pub use data::{INCOMING_BYTES, LOSSY_BUFFER_BYTES, MAX_MESSAGE_BYTES, RELIABLE_BUFFER_BYTES};
pub use event::{OfferMade, PeerEvent, PeerFault, PeerStats};
pub use exchange::COMMAND_CAPACITY;
pub use handle::{PeerHandle, rtc_peer};
pub use identity::{Identity, NoIdentity};
pub use peer::RtcPeer;
