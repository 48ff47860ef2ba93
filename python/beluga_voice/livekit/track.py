"""Tracks: the media behind a publication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beluga_voice.livekit.audio_source import outlets_of
from beluga_voice.livekit.enums import StreamState, TrackKind
from beluga_voice.livekit.records import TrackRecord

if TYPE_CHECKING:
    from beluga_voice.livekit.audio_source import AudioSource

__all__ = ["LocalAudioTrack", "RemoteAudioTrack", "RemoteVideoTrack", "Track", "record_of"]


class Track:
    """What every track has."""

    def __init__(self, record: TrackRecord) -> None:
        self._record = record

    @property
    def sid(self) -> str:
        """The server's name for it; '' as long as it is not published."""
        return self._record.sid

    @property
    def name(self) -> str:
        """Its publisher's name for it."""
        return self._record.name

    @property
    def kind(self) -> int:
        """A `TrackKind`."""
        return self._record.kind

    @property
    def stream_state(self) -> int:
        """A `StreamState`: ACTIVE as long as it is in a room."""
        return StreamState.STATE_ACTIVE if self._record.driver is not None else StreamState.STATE_UNKNOWN

    @property
    def muted(self) -> bool:
        """Whether its publisher has muted it."""
        return self._record.muted

    @property
    def sdk_track(self) -> Any:
        """livekit.rtc's own track with `media="sdk"`, for what is not here, such as video; else None."""
        driver = self._record.driver
        return driver.sdk_track(self._record.sid) if driver is not None else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sid={self.sid}, name={self.name})"


class LocalAudioTrack(Track):
    """Sound of ours."""

    @staticmethod
    def create_audio_track(name: str, source: AudioSource) -> LocalAudioTrack:
        """A track of what is captured in `source`; `LocalParticipant.publish_track` publishes it."""
        record = TrackRecord(name, TrackKind.KIND_AUDIO)
        record.outlets = outlets_of(source)
        return LocalAudioTrack(record)

    def mute(self) -> None:
        """Sends nothing until `unmute`."""
        self._set_muted(muted=True)

    def unmute(self) -> None:
        """Sends again."""
        self._set_muted(muted=False)

    def _set_muted(self, *, muted: bool) -> None:
        record = self._record
        record.muted = muted
        if record.driver is not None:
            record.driver.set_track_muted(record.sid, muted=muted)


class RemoteAudioTrack(Track):
    """Sound of somebody else's, which is subscribed to; `AudioStream` reads it."""


class RemoteVideoTrack(Track):
    """Pictures of somebody else's: `sdk_track` is livekit.rtc's, for its `VideoStream`."""


def record_of(track: Track) -> TrackRecord:
    """What the room notes of a track."""
    return track._record  # pyright: ignore[reportPrivateUsage] - the other half of the same noun
