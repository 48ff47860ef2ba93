"""Publications: what a participant offers, whether or not it is subscribed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.livekit.track import LocalAudioTrack, RemoteAudioTrack, RemoteVideoTrack, Track

if TYPE_CHECKING:
    from beluga_voice.livekit.records import PublicationRecord

__all__ = ["LocalTrackPublication", "RemoteTrackPublication", "TrackPublication"]


class TrackPublication:
    """What every publication has."""

    def __init__(self, record: PublicationRecord) -> None:
        self._record = record

    @property
    def track(self) -> Track | None:
        """Its media, where it is there."""
        return self._record.track_face

    @property
    def sid(self) -> str:
        """The server's name for it; another one after the room was joined anew."""
        return self._record.info.sid

    @property
    def name(self) -> str:
        """Its publisher's name for it."""
        return self._record.info.name

    @property
    def kind(self) -> int:
        """A `TrackKind`."""
        return self._record.info.kind

    @property
    def source(self) -> int:
        """A `TrackSource`."""
        return self._record.info.source

    @property
    def simulcasted(self) -> bool:
        """Whether it is sent in several sizes."""
        return self._record.info.simulcasted

    @property
    def width(self) -> int:
        """Of a video, in pixels."""
        return self._record.info.width

    @property
    def height(self) -> int:
        """Of a video, in pixels."""
        return self._record.info.height

    @property
    def mime_type(self) -> str:
        """Its codec: "audio/opus", "audio/red"."""
        return self._record.info.mime_type

    @property
    def muted(self) -> bool:
        """Whether its publisher has muted it."""
        return self._record.info.muted

    @property
    def encryption_type(self) -> int:
        """An `EncryptionType`."""
        return self._record.info.encryption_type

    @property
    def audio_features(self) -> list[int]:
        """`AudioTrackFeature`s."""
        return list(self._record.info.audio_features)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(sid={self.sid}, name={self.name}, kind={self.kind!r}, source={self.source!r}, "
            f"muted={self.muted})"
        )


class LocalTrackPublication(TrackPublication):
    """A track of ours."""

    @property
    def track(self) -> LocalAudioTrack | None:
        """Its media; None for a session's voice, which the core sends, and once it was unpublished."""
        return self._record.track_face

    async def wait_for_subscription(self) -> None:
        """Until somebody listens."""
        await self._record.heard.wait()


class RemoteTrackPublication(TrackPublication):
    """A track of somebody else's."""

    @property
    def track(self) -> RemoteAudioTrack | RemoteVideoTrack | None:
        """Its media, while it is subscribed to."""
        return self._record.track_face

    @property
    def subscribed(self) -> bool:
        """Whether its media is there."""
        return self._record.track is not None

    def set_subscribed(self, subscribed: bool) -> None:  # noqa: FBT001 - the SDK's signature
        """Asks for its media, or no longer."""
        record = self._record
        record.driver.set_subscribed(record.identity, record.info.sid, subscribed=subscribed)
