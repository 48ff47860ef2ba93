//! A room's events as Python sees them: a name, and a dict of what there is to say.

use crate::stream_reader::StreamReader;
use beluga_livekit::{
    ChatMessage, Data, Event, Outcome, ParticipantInfo, Permissions, RoomError, RoomInfo,
    RoomStats, Snapshot, StreamContent, StreamInfo, TrackInfo, TranscriptionSegment,
};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// A name and the fields that go with it.
pub(crate) type ShownEvent<'py> = (&'static str, Bound<'py, PyDict>);

/// A dict of the named values.
macro_rules! dict {
    ($py:expr, $($name:ident: $value:expr),* $(,)?) => {{
        let dict = PyDict::new($py);
        $(dict.set_item(stringify!($name), $value)?;)*
        dict
    }};
}

/// See the stub for the names and their fields.
pub(crate) fn shown(py: Python<'_>, event: Event) -> PyResult<ShownEvent<'_>> {
    Ok(match event {
        Event::Connected(snapshot) => ("connected", snapshot_of(py, &snapshot)?),
        Event::Moved(snapshot) => ("moved", snapshot_of(py, &snapshot)?),
        Event::Done { id, result } => ("done", done_of(py, id.0, result)?),
        Event::ParticipantConnected(info) => (
            "participant_connected",
            dict!(py, participant: participant_of(py, &info)?),
        ),
        Event::ParticipantActive { identity } => {
            ("participant_active", dict!(py, identity: identity))
        }
        Event::ParticipantDisconnected {
            identity,
            sid,
            reason,
        } => (
            "participant_disconnected",
            dict!(py, identity: identity, sid: sid, reason: reason.as_str_name()),
        ),
        Event::LocalSidChanged { sid } => ("local_sid_changed", dict!(py, sid: sid)),
        Event::LocalTrackPublished { track, info } => (
            "local_track_published",
            dict!(py, track: track.0, info: track_of(py, &info)?),
        ),
        Event::LocalTrackRepublished {
            track,
            old_sid,
            info,
        } => (
            "local_track_republished",
            dict!(py, track: track.0, old_sid: old_sid, info: track_of(py, &info)?),
        ),
        Event::LocalTrackUnpublished { track, track_sid } => (
            "local_track_unpublished",
            dict!(py, track: track.0, track_sid: track_sid),
        ),
        Event::LocalTrackSubscribed { track, track_sid } => (
            "local_track_subscribed",
            dict!(py, track: track.0, track_sid: track_sid),
        ),
        Event::TrackPublished { identity, info } => (
            "track_published",
            dict!(py, identity: identity, info: track_of(py, &info)?),
        ),
        Event::TrackUnpublished {
            identity,
            track_sid,
        } => track_event(py, "track_unpublished", identity, track_sid)?,
        Event::TrackSubscribed {
            identity,
            track_sid,
        } => track_event(py, "track_subscribed", identity, track_sid)?,
        Event::TrackUnsubscribed {
            identity,
            track_sid,
        } => track_event(py, "track_unsubscribed", identity, track_sid)?,
        Event::TrackMuted {
            identity,
            track_sid,
        } => track_event(py, "track_muted", identity, track_sid)?,
        Event::TrackUnmuted {
            identity,
            track_sid,
        } => track_event(py, "track_unmuted", identity, track_sid)?,
        Event::TrackSubscriptionFailed {
            identity,
            track_sid,
            error,
        } => (
            "track_subscription_failed",
            dict!(py, identity: identity, track_sid: track_sid, error: error_of(py, &error)?),
        ),
        Event::TrackSubscriptionPermissionChanged {
            identity,
            track_sid,
            allowed,
        } => (
            "track_subscription_permission_changed",
            dict!(py, identity: identity, track_sid: track_sid, allowed: allowed),
        ),
        Event::ParticipantMetadataChanged { identity, old, new } => (
            "participant_metadata_changed",
            dict!(py, identity: identity, old: old, new: new),
        ),
        Event::ParticipantNameChanged { identity, old, new } => (
            "participant_name_changed",
            dict!(py, identity: identity, old: old, new: new),
        ),
        Event::ParticipantAttributesChanged {
            identity,
            changed,
            attributes,
        } => (
            "participant_attributes_changed",
            dict!(py, identity: identity, changed: changed, attributes: attributes),
        ),
        Event::ParticipantPermissionsChanged {
            identity,
            permissions,
        } => (
            "participant_permissions_changed",
            dict!(py, identity: identity, permissions: permissions_of(py, &permissions)?),
        ),
        Event::ActiveSpeakersChanged(speakers) => {
            ("active_speakers_changed", dict!(py, speakers: speakers))
        }
        Event::ConnectionQualityChanged { identity, quality } => (
            "connection_quality_changed",
            dict!(py, identity: identity, quality: quality.as_str_name()),
        ),
        Event::Data(data) => ("data_received", data_of(py, &data)?),
        Event::Dtmf {
            identity,
            code,
            digit,
        } => (
            "sip_dtmf_received",
            dict!(py, identity: identity, code: code, digit: digit),
        ),
        Event::Transcription {
            identity,
            track_sid,
            segments,
        } => (
            "transcription_received",
            dict!(py, identity: identity, track_sid: track_sid, segments: segments_of(py, &segments)?),
        ),
        Event::Chat { identity, message } => (
            "chat_received",
            dict!(py, identity: identity, message: chat_of(py, &message)?),
        ),
        Event::RpcRequest {
            id,
            request_id,
            identity,
            method,
            payload,
            response_timeout_ms,
            deadline_us,
        } => (
            "rpc_request",
            dict!(py, id: id.0, request_id: request_id, identity: identity, method: method,
                payload: payload, response_timeout_ms: response_timeout_ms, deadline_us: deadline_us),
        ),
        Event::RpcExpired { id } => ("rpc_expired", dict!(py, id: id.0)),
        Event::StreamOpened {
            identity,
            info,
            reader,
        } => {
            let reader = StreamReader::new(reader).into_bound_py_any(py)?;
            let info = stream_of(py, &info)?;
            (
                "stream_opened",
                dict!(py, identity: identity, info: info, reader: reader),
            )
        }
        Event::StreamReadable { stream_id } => ("stream_readable", dict!(py, stream_id: stream_id)),
        Event::RoomUpdated { old, new } => (
            "room_updated",
            dict!(py, old: room_of(py, &old)?, new: room_of(py, &new)?),
        ),
        Event::RoomMetadataChanged { old, new } => {
            ("room_metadata_changed", dict!(py, old: old, new: new))
        }
        Event::ConnectionStateChanged(state) => (
            "connection_state_changed",
            dict!(py, state: connection_state(state)),
        ),
        Event::Reconnecting => ("reconnecting", PyDict::new(py)),
        Event::Reconnected => ("reconnected", PyDict::new(py)),
        Event::TokenRefreshed { token } => ("token_refreshed", dict!(py, token: token.reveal())),
        Event::TokenNeeded => ("token_needed", PyDict::new(py)),
        Event::Disconnected { reason, error } => {
            let error = error.map(|error| error_of(py, &error)).transpose()?;
            (
                "disconnected",
                dict!(py, reason: reason.as_str_name(), error: error),
            )
        }
    })
}

/// A failed command or room.
pub(crate) fn error_of<'py>(py: Python<'py>, error: &RoomError) -> PyResult<Bound<'py, PyDict>> {
    let rpc = error
        .rpc
        .as_ref()
        .map(|rpc| (rpc.code, rpc.message.as_str(), rpc.data.as_str()));
    Ok(
        dict!(py, code: error.code.as_str(), message: error.message.as_str(),
        wants_sdk: error.code.wants_sdk(), rpc: rpc),
    )
}

fn connection_state(state: beluga_livekit::ConnectionState) -> &'static str {
    match state {
        beluga_livekit::ConnectionState::Disconnected => "disconnected",
        beluga_livekit::ConnectionState::Connected => "connected",
        beluga_livekit::ConnectionState::Reconnecting => "reconnecting",
    }
}

fn track_event<'py>(
    py: Python<'py>,
    name: &'static str,
    identity: String,
    track_sid: String,
) -> PyResult<ShownEvent<'py>> {
    Ok((name, dict!(py, identity: identity, track_sid: track_sid)))
}

fn done_of<'py>(
    py: Python<'py>,
    id: u64,
    result: Result<Outcome, RoomError>,
) -> PyResult<Bound<'py, PyDict>> {
    let (value, error) = match result {
        Ok(Outcome::Done) => (py.None().into_bound(py), None),
        Ok(Outcome::Published(info)) => (track_of(py, &info)?.into_any(), None),
        Ok(Outcome::Reply(payload)) => (payload.into_bound_py_any(py)?, None),
        Ok(Outcome::Stream(info)) => (stream_of(py, &info)?.into_any(), None),
        Ok(Outcome::Stats(stats)) => (stats_of(py, &stats)?.into_any(), None),
        Err(error) => (py.None().into_bound(py), Some(error_of(py, &error)?)),
    };
    Ok(dict!(py, id: id, value: value, error: error))
}

fn snapshot_of<'py>(py: Python<'py>, snapshot: &Snapshot) -> PyResult<Bound<'py, PyDict>> {
    let remotes = list(py, &snapshot.remotes, participant_of)?;
    Ok(dict!(py, room: room_of(py, &snapshot.room)?,
        local: participant_of(py, &snapshot.local)?, remotes: remotes,
        server_version: snapshot.server_version.as_str(),
        server_region: snapshot.server_region.as_str()))
}

fn room_of<'py>(py: Python<'py>, room: &RoomInfo) -> PyResult<Bound<'py, PyDict>> {
    Ok(dict!(py, sid: room.sid.as_str(), name: room.name.as_str(),
        metadata: room.metadata.as_str(), created_ms: room.created_ms,
        participants: room.participants, publishers: room.publishers,
        is_recording: room.is_recording, empty_timeout_s: room.empty_timeout_s,
        departure_timeout_s: room.departure_timeout_s, max_participants: room.max_participants))
}

fn participant_of<'py>(py: Python<'py>, info: &ParticipantInfo) -> PyResult<Bound<'py, PyDict>> {
    let details: Vec<_> = info
        .kind_details
        .iter()
        .map(|detail| detail.as_str_name())
        .collect();
    Ok(
        dict!(py, sid: info.sid.as_str(), identity: info.identity.as_str(),
        name: info.name.as_str(), metadata: info.metadata.as_str(),
        attributes: info.attributes.clone(), kind: info.kind.as_str_name(), kind_details: details,
        state: info.state.as_str_name(), joined_ms: info.joined_ms,
        permissions: permissions_of(py, &info.permissions)?,
        client_protocol: info.client_protocol, tracks: list(py, &info.tracks, track_of)?),
    )
}

fn permissions_of<'py>(py: Python<'py>, permissions: &Permissions) -> PyResult<Bound<'py, PyDict>> {
    let sources: Vec<_> = permissions
        .can_publish_sources
        .iter()
        .map(|source| source.as_str_name())
        .collect();
    Ok(
        dict!(py, can_subscribe: permissions.can_subscribe, can_publish: permissions.can_publish,
        can_publish_data: permissions.can_publish_data, can_publish_sources: sources,
        hidden: permissions.hidden, can_update_metadata: permissions.can_update_metadata,
        can_subscribe_metrics: permissions.can_subscribe_metrics),
    )
}

fn track_of<'py>(py: Python<'py>, info: &TrackInfo) -> PyResult<Bound<'py, PyDict>> {
    Ok(
        dict!(py, sid: info.sid.as_str(), kind: info.kind.as_str_name(), name: info.name.as_str(),
        source: info.source.as_str_name(), muted: info.muted, mime_type: info.mime_type.as_str(),
        stereo: info.stereo, encrypted: info.encrypted, stream: info.stream.as_str(),
        width: info.width, height: info.height),
    )
}

fn stream_of<'py>(py: Python<'py>, info: &StreamInfo) -> PyResult<Bound<'py, PyDict>> {
    let shown = dict!(py, stream_id: info.stream_id.as_str(), topic: info.topic.as_str(),
        timestamp_ms: info.timestamp_ms, mime_type: info.mime_type.as_str(),
        total_bytes: info.total_bytes, attributes: info.attributes.clone());
    match &info.content {
        StreamContent::Text {
            reply_to,
            attached,
            generated,
        } => {
            shown.set_item("content", "text")?;
            shown.set_item("reply_to", reply_to)?;
            shown.set_item("attached", attached)?;
            shown.set_item("generated", generated)?;
        }
        StreamContent::Bytes { name, .. } => {
            shown.set_item("content", "bytes")?;
            shown.set_item("name", name)?;
        }
    }
    Ok(shown)
}

fn data_of<'py>(py: Python<'py>, data: &Data) -> PyResult<Bound<'py, PyDict>> {
    Ok(
        dict!(py, payload: PyBytes::new(py, &data.payload), topic: data.topic.as_deref(),
        reliable: data.reliable, identity: data.identity.as_deref()),
    )
}

fn segments_of<'py>(
    py: Python<'py>,
    segments: &[TranscriptionSegment],
) -> PyResult<Bound<'py, PyList>> {
    list(py, segments, |py, segment| {
        Ok(
            dict!(py, id: segment.id.as_str(), text: segment.text.as_str(),
            start_time: segment.start_time, end_time: segment.end_time,
            is_final: segment.is_final, language: segment.language.as_str()),
        )
    })
}

fn chat_of<'py>(py: Python<'py>, message: &ChatMessage) -> PyResult<Bound<'py, PyDict>> {
    Ok(
        dict!(py, id: message.id.as_str(), timestamp_ms: message.timestamp_ms,
        edited_ms: message.edited_ms, message: message.message.as_str(),
        deleted: message.deleted, generated: message.generated),
    )
}

fn stats_of<'py>(py: Python<'py>, stats: &RoomStats) -> PyResult<Bound<'py, PyDict>> {
    let (peer, counters) = (&stats.peer, &stats.counters);
    let pair = peer
        .pair
        .map(|(local, remote, tcp)| (local.to_string(), remote.to_string(), tcp));
    Ok(
        dict!(py, round_trip_ms: peer.round_trip_ms, bytes_received: peer.bytes_received,
        bytes_sent: peer.bytes_sent, packets_received: peer.packets_received,
        packets_sent: peer.packets_sent, packets_lost_there: peer.packets_lost_there,
        pair: pair, signal_round_trip_ms: stats.signal_round_trip_ms,
        messages_unreadable: counters.messages_unreadable,
        packets_unreadable: counters.packets_unreadable,
        packets_repeated: counters.packets_repeated,
        packets_encrypted: counters.packets_encrypted, lossy_dropped: counters.lossy_dropped,
        reliable_dropped: counters.reliable_dropped, lossy_unsent: counters.lossy_unsent,
        answers_unsent: counters.answers_unsent,
        peer_dropped: counters.peer_dropped, events_skipped: counters.events_skipped,
        ignored: counters.ignored, resumes: counters.resumes, rejoins: counters.rejoins),
    )
}

fn list<'py, T>(
    py: Python<'py>,
    values: &[T],
    shown: impl Fn(Python<'py>, &T) -> PyResult<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyList>> {
    let shown: PyResult<Vec<_>> = values.iter().map(|value| shown(py, value)).collect();
    PyList::new(py, shown?)
}
