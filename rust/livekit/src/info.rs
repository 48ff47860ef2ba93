//! What is known of a room, its participants and their tracks, in the words of the wire.

use livekit_protocol as proto;
use std::collections::BTreeMap;

pub use proto::participant_info::{Kind as ParticipantKind, KindDetail, State as ParticipantState};
pub use proto::{ConnectionQuality, DisconnectReason, TrackSource, TrackType};

/// A room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomInfo {
    /// The server's id of it; may come late.
    pub sid: String,
    /// Name.
    pub name: String,
    /// Whatever the application keeps there.
    pub metadata: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// Participants, ours among them, as the server counts them.
    pub participants: u32,
    /// Those of them that publish.
    pub publishers: u32,
    /// Whether it is being recorded.
    pub is_recording: bool,
    /// How long it stays open while nobody has joined, in seconds.
    pub empty_timeout_s: u32,
    /// How long it stays open when the last one has left, in seconds.
    pub departure_timeout_s: u32,
    /// At most as many; 0 is no limit.
    pub max_participants: u32,
}

/// What a participant may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Subscribe to others.
    pub can_subscribe: bool,
    /// Publish tracks.
    pub can_publish: bool,
    /// Send data.
    pub can_publish_data: bool,
    /// The sources that may be published; empty: all.
    pub can_publish_sources: Vec<TrackSource>,
    /// Not shown to others.
    pub hidden: bool,
    /// Change its own metadata, name and attributes.
    pub can_update_metadata: bool,
    /// Subscribe to metrics.
    pub can_subscribe_metrics: bool,
}

/// A published track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    /// The server's id of it.
    pub sid: String,
    /// Audio, video or data.
    pub kind: TrackType,
    /// Name.
    pub name: String,
    /// Where it comes from.
    pub source: TrackSource,
    /// Whether its publisher muted it.
    pub muted: bool,
    /// Such as `audio/opus`.
    pub mime_type: String,
    /// Stereo sound.
    pub stereo: bool,
    /// Encrypted from end to end.
    pub encrypted: bool,
    /// The stream that it belongs to.
    pub stream: String,
    /// Pixels across, of video.
    pub width: u32,
    /// Pixels down, of video.
    pub height: u32,
}

/// A participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantInfo {
    /// The server's id of this stay in the room.
    pub sid: String,
    /// Who it is: unique in the room, the same after a rejoin.
    pub identity: String,
    /// To be shown.
    pub name: String,
    /// Whatever the application keeps there.
    pub metadata: String,
    /// By key.
    pub attributes: BTreeMap<String, String>,
    /// What it is.
    pub kind: ParticipantKind,
    /// More of what it is.
    pub kind_details: Vec<KindDetail>,
    /// How far it has come.
    pub state: ParticipantState,
    /// When it joined, milliseconds since 1970.
    pub joined_ms: i64,
    /// What it may do.
    pub permissions: Permissions,
    /// What its client understands: 1 RPC by streams, 2 streams of one packet.
    pub client_protocol: i32,
    /// Its client unpacks streams.
    pub unpacks: bool,
    /// What it publishes.
    pub tracks: Vec<TrackInfo>,
}

impl RoomInfo {
    pub(crate) fn from_wire(room: proto::Room) -> Self {
        let created_ms = match room.creation_time_ms {
            0 => room.creation_time.saturating_mul(1_000),
            ms => ms,
        };
        Self {
            sid: room.sid,
            name: room.name,
            metadata: room.metadata,
            created_ms,
            participants: room.num_participants,
            publishers: room.num_publishers,
            is_recording: room.active_recording,
            empty_timeout_s: room.empty_timeout,
            departure_timeout_s: room.departure_timeout,
            max_participants: room.max_participants,
        }
    }
}

impl Permissions {
    pub(crate) fn from_wire(permission: proto::ParticipantPermission) -> Self {
        Self {
            can_subscribe: permission.can_subscribe,
            can_publish: permission.can_publish,
            can_publish_data: permission.can_publish_data,
            can_publish_sources: permission.can_publish_sources().collect(),
            hidden: permission.hidden,
            can_update_metadata: permission.can_update_metadata,
            can_subscribe_metrics: permission.can_subscribe_metrics,
        }
    }
}

impl TrackInfo {
    pub(crate) fn from_wire(track: proto::TrackInfo) -> Self {
        let kind = track.r#type();
        let source = track.source();
        let stereo = track
            .audio_features()
            .any(|feature| feature == proto::AudioTrackFeature::TfStereo);
        let encrypted = track.encryption() != proto::encryption::Type::None;
        Self {
            sid: track.sid,
            kind,
            name: track.name,
            source,
            muted: track.muted,
            mime_type: track.mime_type,
            stereo,
            encrypted,
            stream: track.stream,
            width: track.width,
            height: track.height,
        }
    }
}

impl ParticipantInfo {
    pub(crate) fn from_wire(participant: proto::ParticipantInfo) -> Self {
        let kind = participant.kind();
        let state = participant.state();
        let kind_details = participant.kind_details().collect();
        let unpacks = participant.capabilities().any(|capability| {
            capability == proto::client_info::Capability::CapCompressionDeflateRaw
        });
        let joined_ms = match participant.joined_at_ms {
            0 => participant.joined_at.saturating_mul(1_000),
            ms => ms,
        };
        Self {
            sid: participant.sid,
            identity: participant.identity,
            name: participant.name,
            metadata: participant.metadata,
            attributes: participant.attributes.into_iter().collect(),
            kind,
            kind_details,
            state,
            joined_ms,
            permissions: Permissions::from_wire(participant.permission.unwrap_or_default()),
            client_protocol: participant.client_protocol,
            unpacks,
            tracks: participant
                .tracks
                .into_iter()
                .map(TrackInfo::from_wire)
                .collect(),
        }
    }
}
