"""How a room is joined and a track is published, under livekit.rtc's names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from beluga_voice.livekit.enums import TrackSource

__all__ = [
    "AudioEncoding",
    "DataStreamOptions",
    "Media",
    "ParticipantTrackPermission",
    "RoomOptions",
    "RtcConfiguration",
    "TokenSource",
    "TrackPublishOptions",
]

Media = Literal["native", "sdk"]
"""Who carries sound and signalling: the Rust core, or the `livekit` package with libwebrtc in it."""

TokenSource = Callable[[], str | Awaitable[str]]
"""Gives a token for the same room and identity; called when the room has to be joined anew and the last one is old, and
again, seven times in all, when it raises."""


@dataclass
class RtcConfiguration:
    """How connections are made, for `media="sdk"`; the values are livekit.rtc's own."""

    ice_transport_type: int = 2
    continual_gathering_policy: int = 1
    ice_servers: list[Any] = field(default_factory=list[Any])


@dataclass
class DataStreamOptions:
    """What incoming streams may be. `max_payload_byte_length`: the longest one in bytes, decompressed."""

    max_payload_byte_length: int | None = None


@dataclass
class RoomOptions:
    """How a room is joined; all but the last two are livekit.rtc's.

    - `auto_subscribe`: whether everything that others publish is received. A session subscribes its caller by itself.
    - `dynacast`, `single_peer_connection`, `rtc_config`: of `media="sdk"` alone.
    - `encryption`: livekit.rtc's `E2EEOptions`; takes `media="sdk"`, for the native participant has no end-to-end
      encryption yet.
    - `connect_timeout`: seconds for each attempt to reach the server; without it 5.
    - `media`: "native", or "sdk". Where the native participant cannot serve, "native" becomes "sdk" with a warning.
    - `token_source`: see `TokenSource`.
    """

    auto_subscribe: bool = True
    dynacast: bool = False
    encryption: Any = None
    rtc_config: RtcConfiguration | None = None
    connect_timeout: float | None = None
    single_peer_connection: bool | None = None
    data_stream: DataStreamOptions | None = None
    media: Media = "native"
    token_source: TokenSource | None = None


@dataclass
class AudioEncoding:
    """How sound is encoded."""

    max_bitrate: int = 0
    """Bits per second, 6,000 and more; 0: the path's own choice, natively 24,000. Natively 160,000 are the most."""


@dataclass
class TrackPublishOptions:
    """How a track of sound is published.

    Over the SDK `dtx` off keeps the first 20 ms of every utterance whole, and `red` sends each frame twice against
    losses. Natively silence is a packet of one byte every 400 ms and the first 20 ms are whole in any case, and each
    frame is sent once.
    """

    audio_encoding: AudioEncoding | None = None
    dtx: bool | None = None
    red: bool | None = None
    source: int = TrackSource.SOURCE_UNKNOWN
    stream: str = ""
    preconnect_buffer: bool = False


@dataclass
class ParticipantTrackPermission:
    """Which of our tracks a participant may subscribe to."""

    participant_identity: str = ""
    allow_all: bool = False
    allowed_track_sids: list[str] = field(default_factory=list[str])
