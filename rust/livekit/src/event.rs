//! What a room has to say.

use crate::command::{ChatMessage, CommandId, LocalTrackId, RpcId, TranscriptionSegment};
use crate::error::RoomError;
use crate::info::{
    ConnectionQuality, DisconnectReason, ParticipantInfo, Permissions, RoomInfo, TrackInfo,
};
use crate::stream::{StreamInfo, StreamReader};
use beluga_engine::Secret;
use beluga_webrtc::PeerStats;
use std::collections::BTreeMap;

/// What a command brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// A track was published.
    Published(TrackInfo),
    /// A call was answered.
    Reply(String),
    /// A stream was opened, or sent.
    Stream(StreamInfo),
    /// What was measured.
    Stats(Box<RoomStats>),
}

/// What was measured and counted of a room.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomStats {
    /// The peer's, where there is one.
    pub peer: PeerStats,
    /// Of the signalling, in milliseconds.
    pub signal_round_trip_ms: Option<u32>,
    /// See there.
    pub counters: RoomCounters,
}

/// What happened in a room, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomCounters {
    /// Signalling messages that could not be read.
    pub messages_unreadable: u64,
    /// Data packets that could not be read.
    pub packets_unreadable: u64,
    /// Data packets that had come before.
    pub packets_repeated: u64,
    /// Data packets encrypted from end to end, for which there is no key.
    pub packets_encrypted: u64,
    /// Lossy packets that nobody took in time: the oldest.
    pub lossy_dropped: u64,
    /// Reliable packets that nobody took in time: the newest.
    pub reliable_dropped: u64,
    /// Lossy packets of ours that were not sent, there being no connection.
    pub lossy_unsent: u64,
    /// Receipts and answers of ours that were not sent, being longer than the other side takes (whoever called named his call so),
    /// or a megabyte of them waiting.
    pub answers_unsent: u64,
    /// Packets that the peer dropped because it was not listened to.
    pub peer_dropped: u64,
    /// Events about speakers and quality that were left out because nobody looked.
    pub events_skipped: u64,
    /// Participants, tracks and streams that were too many.
    pub ignored: u64,
    /// Times that signalling was resumed.
    pub resumes: u64,
    /// Times that the room was joined anew.
    pub rejoins: u64,
}

/// The connection, as users see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// There is none.
    Disconnected,
    /// It is there.
    Connected,
    /// It was lost and is being brought back.
    Reconnecting,
}

/// Everything known when a room has been joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The room.
    pub room: RoomInfo,
    /// Ourselves.
    pub local: ParticipantInfo,
    /// The others, in the order of their identities.
    pub remotes: Vec<ParticipantInfo>,
    /// The server's version.
    pub server_version: String,
    /// The server's region; empty where it has none.
    pub server_region: String,
}

/// A packet of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// What was sent.
    pub payload: Vec<u8>,
    /// What it is about.
    pub topic: Option<String>,
    /// Whether it was sent to arrive.
    pub reliable: bool,
    /// By whom; none: the server.
    pub identity: Option<String>,
}

/// What a room has to say, in order. Participants, ours too, are named by their identity, tracks by their sid.
#[derive(Debug)]
pub enum Event {
    /// The room has been joined. Of tracks that are there already, [`Event::TrackSubscribed`] follows.
    Connected(Box<Snapshot>),
    /// A command is done.
    Done {
        /// Which.
        id: CommandId,
        /// How.
        result: Result<Outcome, RoomError>,
    },
    /// Somebody came.
    ParticipantConnected(Box<ParticipantInfo>),
    /// Somebody can be spoken with.
    ParticipantActive {
        /// Who.
        identity: String,
    },
    /// Somebody left.
    ParticipantDisconnected {
        /// Who.
        identity: String,
        /// That stay.
        sid: String,
        /// Why.
        reason: DisconnectReason,
    },
    /// We have a new sid: the room was joined anew.
    LocalSidChanged {
        /// The sid.
        sid: String,
    },
    /// A track of ours is published.
    LocalTrackPublished {
        /// Its name here.
        track: LocalTrackId,
        /// The track.
        info: TrackInfo,
    },
    /// A track of ours is published again after a full rejoin.
    LocalTrackRepublished {
        /// Its name here.
        track: LocalTrackId,
        /// Its sid before.
        old_sid: String,
        /// The track.
        info: TrackInfo,
    },
    /// A track of ours is not published any more; or, without a sid, the server did not publish it with the join.
    LocalTrackUnpublished {
        /// Its name here.
        track: LocalTrackId,
        /// Its sid.
        track_sid: String,
    },
    /// Somebody hears a track of ours for the first time.
    LocalTrackSubscribed {
        /// Its name here.
        track: LocalTrackId,
        /// Its sid.
        track_sid: String,
    },
    /// Somebody published a track.
    TrackPublished {
        /// Who.
        identity: String,
        /// The track.
        info: TrackInfo,
    },
    /// Somebody took a track back.
    TrackUnpublished {
        /// Who.
        identity: String,
        /// Its sid.
        track_sid: String,
    },
    /// We hear a track.
    TrackSubscribed {
        /// Whose.
        identity: String,
        /// Its sid.
        track_sid: String,
    },
    /// We hear it no more.
    TrackUnsubscribed {
        /// Whose.
        identity: String,
        /// Its sid.
        track_sid: String,
    },
    /// We shall not hear it.
    TrackSubscriptionFailed {
        /// Whose, if that is known.
        identity: Option<String>,
        /// Its sid.
        track_sid: String,
        /// Why.
        error: RoomError,
    },
    /// Its publisher allows us to hear a track, or forbids it.
    TrackSubscriptionPermissionChanged {
        /// Whose.
        identity: String,
        /// Its sid.
        track_sid: String,
        /// Allowed.
        allowed: bool,
    },
    /// A track was muted.
    TrackMuted {
        /// Whose.
        identity: String,
        /// Its sid.
        track_sid: String,
    },
    /// A track was unmuted.
    TrackUnmuted {
        /// Whose.
        identity: String,
        /// Its sid.
        track_sid: String,
    },
    /// Metadata changed.
    ParticipantMetadataChanged {
        /// Whose.
        identity: String,
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// A name changed.
    ParticipantNameChanged {
        /// Whose.
        identity: String,
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// Attributes changed.
    ParticipantAttributesChanged {
        /// Whose.
        identity: String,
        /// Those that did, by key; an empty value was taken away.
        changed: BTreeMap<String, String>,
        /// All that there are now.
        attributes: BTreeMap<String, String>,
    },
    /// Permissions changed.
    ParticipantPermissionsChanged {
        /// Whose.
        identity: String,
        /// Now.
        permissions: Permissions,
    },
    /// Who speaks, the loudest first, with levels from 0 to 1.
    ActiveSpeakersChanged(Vec<(String, f32)>),
    /// How good a connection is.
    ConnectionQualityChanged {
        /// Whose.
        identity: String,
        /// Now.
        quality: ConnectionQuality,
    },
    /// A packet of data.
    Data(Data),
    /// A telephone's key.
    Dtmf {
        /// By whom, if that is known.
        identity: Option<String>,
        /// 0 to 15.
        code: u32,
        /// As written on the key.
        digit: String,
    },
    /// A piece of a transcript in the legacy form.
    Transcription {
        /// Who spoke.
        identity: String,
        /// In which track.
        track_sid: String,
        /// What was said.
        segments: Vec<TranscriptionSegment>,
    },
    /// A chat message in the legacy form.
    Chat {
        /// By whom, if that is known.
        identity: Option<String>,
        /// The message.
        message: ChatMessage,
    },
    /// Somebody calls a method that is registered. It has its receipt already; [`Command::Reply`](crate::Command::Reply) answers.
    RpcRequest {
        /// The call.
        id: RpcId,
        /// The caller's own id of it.
        request_id: String,
        /// Who calls.
        identity: String,
        /// What.
        method: String,
        /// With what.
        payload: String,
        /// How long the answer may take.
        response_timeout_ms: u32,
        /// When the caller gives up, on the wire's clock.
        deadline_us: u64,
    },
    /// A call was not answered in time, or its caller has left: no answer is wanted any more.
    RpcExpired {
        /// The call.
        id: RpcId,
    },
    /// Somebody opened a stream. Dropping the reader says that nobody wants it.
    StreamOpened {
        /// By whom.
        identity: String,
        /// What it is.
        info: StreamInfo,
        /// Reads it.
        reader: StreamReader,
    },
    /// A stream has something to read, after there was nothing.
    StreamReadable {
        /// Its id.
        stream_id: String,
    },
    /// What is known of the room changed.
    RoomUpdated {
        /// Before.
        old: Box<RoomInfo>,
        /// Now.
        new: Box<RoomInfo>,
    },
    /// The room's metadata changed.
    RoomMetadataChanged {
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// We were moved to another room.
    Moved(Box<Snapshot>),
    /// The connection.
    ConnectionStateChanged(ConnectionState),
    /// The connection was lost and is being brought back.
    Reconnecting,
    /// It is back.
    Reconnected,
    /// The server gave us a newer token.
    TokenRefreshed {
        /// The token.
        token: Secret,
    },
    /// A rejoin found its token expired: [`Command::SetToken`](crate::Command::SetToken) goes on.
    TokenNeeded,
    /// It is over, or never began; nothing follows.
    Disconnected {
        /// Why, as LiveKit has it.
        reason: DisconnectReason,
        /// What failed, if something did.
        error: Option<RoomError>,
    },
}
