"""What a room notes of participants and of what they publish. Users hold read-only faces of these."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from beluga_voice.call_link import Waiter
from beluga_voice.livekit.enums import ConnectionQuality

if TYPE_CHECKING:
    from beluga_voice.livekit.audio_source import Outlets
    from beluga_voice.livekit.room_driver import AudioSink, RoomDriver
    from beluga_voice.livekit.room_state import ParticipantInfo, TrackInfo

__all__ = ["ParticipantRecord", "PublicationRecord", "TrackRecord"]


class TrackRecord:
    """Media: of ours, from when it is made; of others, while it is subscribed to."""

    def __init__(self, name: str, kind: int) -> None:
        self.name = name
        self.kind = kind
        self.sid = ""
        self.muted = False
        self.driver: RoomDriver | None = None
        """Who carries it; None: it is in no room."""
        self.outlets: Outlets | None = None
        """Of ours: where its source sends."""
        self.left = asyncio.Event()
        """It was in a room and no longer is; of others: for ever, who subscribes again has another one."""
        self._sink: AudioSink | None = None

    def enter(self, driver: RoomDriver, info: TrackInfo, sink: AudioSink | None = None) -> None:
        """It is in a room, by this name; ours goes to `sink`."""
        self.left.clear()
        self.driver = driver
        self.sid = info.sid
        self.muted = info.muted
        if sink is not None and self.outlets is not None:
            self._sink = sink
            self.outlets.add(sink)

    def leave(self) -> None:
        """It no longer is."""
        self.driver = None
        self.left.set()
        if self._sink is not None and self.outlets is not None:
            self.outlets.remove(self._sink)
            self._sink = None


class PublicationRecord:
    """What somebody publishes."""

    def __init__(self, driver: RoomDriver, identity: str, info: TrackInfo) -> None:
        self.driver = driver
        self.identity = identity
        self.info = info
        self.track: TrackRecord | None = None
        self.track_face: Any = None
        self.heard = asyncio.Event()
        """Somebody has subscribed to it, where it is ours."""
        self.face: Any = None

    def set_track(self, record: TrackRecord | None, face: Any) -> None:
        """Its media is there, or (None, None) no longer."""
        self.track = record
        self.track_face = face

    def update(self, info: TrackInfo) -> None:
        """Something about it changed, its sid among it where the room was joined anew."""
        self.info = info
        if self.track is not None:
            self.track.sid = info.sid
            self.track.muted = info.muted


class ParticipantRecord:
    """Who is in the room, ourselves included."""

    def __init__(self, info: ParticipantInfo) -> None:
        self.info = info
        self.quality: int = ConnectionQuality.QUALITY_UNKNOWN
        self.publications: dict[str, PublicationRecord] = {}
        self.publication_faces: dict[str, Any] = {}
        self.gone = False
        self.changed = Waiter()
        """Woken when something about him, or about what he publishes, is another."""
        self.face: Any = None

    def add(self, publication: PublicationRecord) -> None:
        """He publishes something."""
        self.publications[publication.info.sid] = publication
        self.publication_faces[publication.info.sid] = publication.face
        self.changed.wake()

    def remove(self, sid: str) -> PublicationRecord | None:
        """And no longer does."""
        self.publication_faces.pop(sid, None)
        publication = self.publications.pop(sid, None)
        self.changed.wake()
        return publication

    def leave(self) -> None:
        """He is gone."""
        self.gone = True
        self.changed.wake()
