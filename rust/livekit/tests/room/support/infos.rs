//! Words of a server, and events in short.

use beluga_livekit::{Command, Event, TrackOptions, TrackSource};
use livekit_protocol as proto;
use proto::participant_info::State;

pub fn participant(identity: &str, tracks: &[&str]) -> proto::ParticipantInfo {
    proto::ParticipantInfo {
        sid: format!("PA_{identity}"),
        identity: identity.to_owned(),
        state: State::Active as i32,
        version: 1,
        tracks: tracks.iter().map(|sid| track(sid)).collect(),
        client_protocol: 2,
        ..Default::default()
    }
}

pub fn track(sid: &str) -> proto::TrackInfo {
    proto::TrackInfo {
        sid: sid.to_owned(),
        r#type: proto::TrackType::Audio as i32,
        source: proto::TrackSource::Microphone as i32,
        mime_type: "audio/opus".to_owned(),
        ..Default::default()
    }
}

/// A later word about somebody.
pub fn newer(
    info: &proto::ParticipantInfo,
    change: impl FnOnce(&mut proto::ParticipantInfo),
) -> proto::ParticipantInfo {
    let mut info = info.clone();
    info.version += 1;
    change(&mut info);
    info
}

pub fn left(info: &proto::ParticipantInfo) -> proto::ParticipantInfo {
    newer(info, |info| {
        info.state = State::Disconnected as i32;
        info.disconnect_reason = proto::DisconnectReason::ClientInitiated as i32;
    })
}

pub fn join(others: &[proto::ParticipantInfo]) -> proto::JoinResponse {
    let mut us = participant("agent", &[]);
    us.permission = Some(proto::ParticipantPermission {
        can_publish: true,
        can_subscribe: true,
        can_publish_data: true,
        ..Default::default()
    });
    proto::JoinResponse {
        room: Some(proto::Room {
            sid: "RM_1".to_owned(),
            name: "room".to_owned(),
            ..Default::default()
        }),
        participant: Some(us),
        other_participants: others.to_vec(),
        ping_interval: 5,
        ping_timeout: 15,
        server_info: Some(proto::ServerInfo {
            version: "1.11.0".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn shown(event: &Event) -> String {
    match event {
        Event::Connected(snapshot) => format!(
            "connected to {} as {} with {:?}",
            snapshot.room.name,
            snapshot.local.identity,
            snapshot
                .remotes
                .iter()
                .map(|remote| remote.identity.as_str())
                .collect::<Vec<_>>()
        ),
        Event::ParticipantConnected(info) => format!("{} came", info.identity),
        Event::ParticipantActive { identity } => format!("{identity} is active"),
        Event::ParticipantDisconnected {
            identity, reason, ..
        } => format!("{identity} left: {}", reason.as_str_name()),
        Event::LocalSidChanged { sid } => format!("we are {sid}"),
        Event::LocalTrackPublished { track, info } => format!("our {} is {}", track.0, info.sid),
        Event::LocalTrackRepublished {
            track,
            old_sid,
            info,
        } => format!("our {} was {old_sid} and is {}", track.0, info.sid),
        Event::LocalTrackUnpublished { track, .. } => format!("our {} is gone", track.0),
        Event::LocalTrackSubscribed { track, .. } => format!("our {} is heard", track.0),
        Event::TrackPublished { identity, info } => format!("{identity} has {}", info.sid),
        Event::TrackUnpublished {
            identity,
            track_sid,
        } => format!("{identity} has no {track_sid}"),
        Event::TrackSubscribed { track_sid, .. } => format!("hear {track_sid}"),
        Event::TrackUnsubscribed { track_sid, .. } => format!("hear no {track_sid}"),
        Event::TrackSubscriptionFailed {
            track_sid, error, ..
        } => format!("cannot hear {track_sid}: {}", error.code.as_str()),
        Event::TrackSubscriptionPermissionChanged {
            track_sid, allowed, ..
        } => format!("may hear {track_sid}: {allowed}"),
        Event::TrackMuted { track_sid, .. } => format!("{track_sid} is muted"),
        Event::TrackUnmuted { track_sid, .. } => format!("{track_sid} is unmuted"),
        Event::ParticipantMetadataChanged { identity, old, new } => {
            format!("{identity}: metadata {old:?} -> {new:?}")
        }
        Event::ParticipantNameChanged { identity, old, new } => {
            format!("{identity}: name {old:?} -> {new:?}")
        }
        Event::ParticipantAttributesChanged {
            identity, changed, ..
        } => format!("{identity}: attributes {changed:?}"),
        Event::ParticipantPermissionsChanged { identity, .. } => {
            format!("{identity}: other permissions")
        }
        Event::ActiveSpeakersChanged(speakers) => format!("speak: {speakers:?}"),
        Event::ConnectionQualityChanged { identity, quality } => {
            format!("{identity}: {}", quality.as_str_name())
        }
        Event::ConnectionStateChanged(state) => format!("{state:?}").to_lowercase(),
        Event::Reconnecting => "lost".to_owned(),
        Event::Reconnected => "back".to_owned(),
        Event::TokenRefreshed { .. } => "token".to_owned(),
        Event::TokenNeeded => "token needed".to_owned(),
        Event::RoomUpdated { .. } => "room updated".to_owned(),
        Event::RoomMetadataChanged { old, new } => format!("room: {old:?} -> {new:?}"),
        Event::Disconnected { reason, error } => format!(
            "over: {}{}",
            reason.as_str_name(),
            error
                .as_ref()
                .map_or(String::new(), |error| format!(" {:?}", error.code))
        ),
        other => format!("{other:?}"),
    }
}

pub fn microphone(name: &str) -> TrackOptions {
    TrackOptions {
        name: name.to_owned(),
        source: TrackSource::Microphone,
        stream: String::new(),
        muted: false,
    }
}

pub fn hello() -> Command {
    Command::SendData {
        payload: b"hello".to_vec(),
        reliable: true,
        topic: None,
        destinations: Vec::new(),
    }
}
