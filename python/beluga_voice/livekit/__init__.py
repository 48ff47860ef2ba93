"""LiveKit rooms: `room = await livekit.connect(url, token)`, under livekit.rtc's names.

    from beluga_voice import VoiceSession, livekit

    room = await livekit.connect("ws://localhost:7880", token)
    session = VoiceSession(agent=agent)
    await session.start(room)

Which of livekit.rtc's names are kept, and which are not, is in docs/parity-room.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "AudioEncoding": "options",
    "AudioFrame": "audio_frame",
    "AudioFrameEvent": "audio_frame",
    "AudioSource": "audio_source",
    "AudioStream": "audio_stream",
    "AudioTrackFeature": "enums",
    "ByteStreamInfo": "data_stream",
    "ByteStreamReader": "data_stream",
    "ByteStreamWriter": "data_stream",
    "ConnectionQuality": "enums",
    "ConnectionState": "enums",
    "DataPacket": "packets",
    "DataPacketKind": "enums",
    "DataStreamOptions": "options",
    "DisconnectReason": "enums",
    "EncryptionType": "enums",
    "EventEmitter": "emitter",
    "LocalAudioTrack": "track",
    "LocalParticipant": "participant",
    "LocalTrackPublication": "publication",
    "Participant": "participant",
    "ParticipantKind": "enums",
    "ParticipantKindDetail": "enums",
    "ParticipantPermission": "room_state",
    "ParticipantState": "enums",
    "ParticipantTrackPermission": "options",
    "RemoteAudioTrack": "track",
    "RemoteParticipant": "participant",
    "RemoteTrackPublication": "publication",
    "RemoteVideoTrack": "track",
    "Room": "room",
    "RoomCall": "room_call",
    "RoomOptions": "options",
    "RpcCallInfo": "rpc",
    "RpcError": "rpc",
    "RpcInterceptor": "rpc",
    "RpcInvocationData": "rpc",
    "RtcConfiguration": "options",
    "SimulateScenarioKind": "enums",
    "SipDTMF": "packets",
    "StreamError": "data_stream",
    "StreamState": "enums",
    "TextStreamInfo": "data_stream",
    "TextStreamReader": "data_stream",
    "TextStreamWriter": "data_stream",
    "Track": "track",
    "TrackKind": "enums",
    "TrackPublication": "publication",
    "TrackPublishOptions": "options",
    "TrackSource": "enums",
    "Transcription": "transcription",
    "TranscriptionSegment": "transcription",
    "connect": "connecting",
    "media_paths": "joining",
}

if TYPE_CHECKING:
    from beluga_voice.livekit.audio_frame import AudioFrame as AudioFrame, AudioFrameEvent as AudioFrameEvent
    from beluga_voice.livekit.audio_source import AudioSource as AudioSource
    from beluga_voice.livekit.audio_stream import AudioStream as AudioStream
    from beluga_voice.livekit.connecting import connect as connect
    from beluga_voice.livekit.data_stream import (
        ByteStreamInfo as ByteStreamInfo,
        ByteStreamReader as ByteStreamReader,
        ByteStreamWriter as ByteStreamWriter,
        StreamError as StreamError,
        TextStreamInfo as TextStreamInfo,
        TextStreamReader as TextStreamReader,
        TextStreamWriter as TextStreamWriter,
    )
    from beluga_voice.livekit.emitter import EventEmitter as EventEmitter
    from beluga_voice.livekit.enums import (
        AudioTrackFeature as AudioTrackFeature,
        ConnectionQuality as ConnectionQuality,
        ConnectionState as ConnectionState,
        DataPacketKind as DataPacketKind,
        DisconnectReason as DisconnectReason,
        EncryptionType as EncryptionType,
        ParticipantKind as ParticipantKind,
        ParticipantKindDetail as ParticipantKindDetail,
        ParticipantState as ParticipantState,
        SimulateScenarioKind as SimulateScenarioKind,
        StreamState as StreamState,
        TrackKind as TrackKind,
        TrackSource as TrackSource,
    )
    from beluga_voice.livekit.joining import media_paths as media_paths
    from beluga_voice.livekit.options import (
        AudioEncoding as AudioEncoding,
        DataStreamOptions as DataStreamOptions,
        ParticipantTrackPermission as ParticipantTrackPermission,
        RoomOptions as RoomOptions,
        RtcConfiguration as RtcConfiguration,
        TrackPublishOptions as TrackPublishOptions,
    )
    from beluga_voice.livekit.packets import DataPacket as DataPacket, SipDTMF as SipDTMF
    from beluga_voice.livekit.participant import (
        LocalParticipant as LocalParticipant,
        Participant as Participant,
        RemoteParticipant as RemoteParticipant,
    )
    from beluga_voice.livekit.publication import (
        LocalTrackPublication as LocalTrackPublication,
        RemoteTrackPublication as RemoteTrackPublication,
        TrackPublication as TrackPublication,
    )
    from beluga_voice.livekit.room import Room as Room
    from beluga_voice.livekit.room_call import RoomCall as RoomCall
    from beluga_voice.livekit.room_state import ParticipantPermission as ParticipantPermission
    from beluga_voice.livekit.rpc import (
        RpcCallInfo as RpcCallInfo,
        RpcError as RpcError,
        RpcInterceptor as RpcInterceptor,
        RpcInvocationData as RpcInvocationData,
    )
    from beluga_voice.livekit.track import (
        LocalAudioTrack as LocalAudioTrack,
        RemoteAudioTrack as RemoteAudioTrack,
        RemoteVideoTrack as RemoteVideoTrack,
        Track as Track,
    )
    from beluga_voice.livekit.transcription import (
        Transcription as Transcription,
        TranscriptionSegment as TranscriptionSegment,
    )

__all__ = [
    "AudioEncoding",
    "AudioFrame",
    "AudioFrameEvent",
    "AudioSource",
    "AudioStream",
    "AudioTrackFeature",
    "ByteStreamInfo",
    "ByteStreamReader",
    "ByteStreamWriter",
    "ConnectionQuality",
    "ConnectionState",
    "DataPacket",
    "DataPacketKind",
    "DataStreamOptions",
    "DisconnectReason",
    "EncryptionType",
    "EventEmitter",
    "LocalAudioTrack",
    "LocalParticipant",
    "LocalTrackPublication",
    "Participant",
    "ParticipantKind",
    "ParticipantKindDetail",
    "ParticipantPermission",
    "ParticipantState",
    "ParticipantTrackPermission",
    "RemoteAudioTrack",
    "RemoteParticipant",
    "RemoteTrackPublication",
    "RemoteVideoTrack",
    "Room",
    "RoomCall",
    "RoomOptions",
    "RpcCallInfo",
    "RpcError",
    "RpcInterceptor",
    "RpcInvocationData",
    "RtcConfiguration",
    "SimulateScenarioKind",
    "SipDTMF",
    "StreamError",
    "StreamState",
    "TextStreamInfo",
    "TextStreamReader",
    "TextStreamWriter",
    "Track",
    "TrackKind",
    "TrackPublication",
    "TrackPublishOptions",
    "TrackSource",
    "Transcription",
    "TranscriptionSegment",
    "connect",
    "media_paths",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
