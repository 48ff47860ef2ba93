//! A participant of a LiveKit room, as a state machine over one peer.
//!
//! [`room()`] makes both sides: a [`Room`] that the signalling thread drives as a [`Wire`](beluga_engine::Wire), and a [`RoomHandle`] for
//! whoever is in it. Nothing here reads a clock, opens a socket or starts a thread: time and seed are arguments, and any
//! bytes of the server's give events or nothing.

mod address;
mod command;
mod config;
mod data;
mod desk;
mod error;
mod event;
mod handle;
mod info;
mod negotiation;
mod out;
mod peer_port;
mod publications;
mod random;
mod room;
mod roster;
mod sound;
mod stream;
mod subscriptions;

pub use command::{
    ChatMessage, Command, CommandId, InputRoute, LeaveReason, LocalTrackId, RpcId, Scenario,
    StreamContent, StreamOptions, TrackOptions, TrackPermission, TranscriptionSegment,
};
pub use config::{ClientInfo, RoomConfig};
pub use desk::{MAX_COMMANDS, MAX_DATA_BYTES, MAX_EVENT_BYTES, MAX_EVENTS, Refused};
pub use error::{ErrorCode, RoomError, RpcError};
pub use event::{ConnectionState, Data, Event, Outcome, RoomCounters, RoomStats, Snapshot};
pub use handle::RoomHandle;
pub use info::{
    ConnectionQuality, DisconnectReason, KindDetail, ParticipantInfo, ParticipantKind,
    ParticipantState, Permissions, RoomInfo, TrackInfo, TrackSource, TrackType,
};
pub use peer_port::{LOSSY, PeerMaker, PeerPort, RELIABLE, RtcPeers, channels};
pub use room::{Room, room};
pub use stream::{
    MAX_UNREAD_BYTES, MAX_UNREAD_BYTES_IN_ALL, StreamError, StreamInfo, StreamRead, StreamReader,
};
