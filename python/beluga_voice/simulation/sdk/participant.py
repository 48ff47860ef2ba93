"""Somebody in a room by the plain SDK: a microphone, an ear for every sound in it, and every event told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, get_args

from livekit import rtc
from livekit.rtc.room import EventTypes

from beluga_voice.errors import InvalidStateError
from beluga_voice.simulation.sdk.ear import Ear
from beluga_voice.simulation.sdk.event_facts import facts_of
from beluga_voice.simulation.sdk.microphone import Microphone
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.simulation.sdk.ear import HeardFrame

__all__ = ["SdkParticipant"]


class SdkParticipant:
    """One identity's stays in rooms, one after another.

    - `tell(event, facts)`: every event of the room, under livekit's name with facts that JSON can carry; and of ours
      `voice_began` and `voice_ended` (`identity`, `track`, `at_s`) and `failed`.
    - `on_frame(identity, frame)`: each 10 ms that is heard.
    - `listen_hz`: the rate of what is heard.
    """

    def __init__(
        self,
        tell: Callable[[str, dict[str, Any]], None],
        *,
        on_frame: Callable[[str, HeardFrame], None] | None = None,
        listen_hz: int = 16_000,
    ) -> None:
        self.ears: dict[str, list[Ear]] = {}
        """By identity: an ear for each track that was heard, oldest first, also those that have ended."""
        self._tell = tell
        self._on_frame = on_frame
        self.listen_hz = listen_hz
        self._tasks = Tasks(self._failed)
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._room: rtc.Room | None = None
        self._microphone: Microphone | None = None
        self._talking: asyncio.Task[None] | None = None
        self._publication: rtc.LocalTrackPublication | None = None
        self._track: rtc.LocalAudioTrack | None = None

    @property
    def room(self) -> rtc.Room:
        """The room that it is in. Raises InvalidStateError before `join`."""
        if self._room is None:
            raise InvalidStateError("in no room: allowed: after `join`")
        return self._room

    @property
    def microphone(self) -> Microphone:
        """What it speaks into. Raises InvalidStateError before `publish`."""
        if self._microphone is None:
            raise InvalidStateError("no microphone is published: allowed: after `publish`")
        return self._microphone

    @property
    def track(self) -> rtc.LocalAudioTrack:
        """The microphone's track. Raises InvalidStateError before `publish`."""
        if self._track is None:
            raise InvalidStateError("no microphone is published: allowed: after `publish`")
        return self._track

    async def join(self, url: str, token: str) -> None:
        """Enters a room. Raises what the SDK raises."""
        if self._room is not None:
            raise InvalidStateError("in a room already: allowed: after `leave`")
        room = self._room = rtc.Room()
        self._listen_to(room)
        try:
            await room.connect(url, token, rtc.RoomOptions())
        except BaseException:
            self._room = None
            raise

    async def leave(self) -> None:
        """Leaves the room, if it is in one; the microphone goes with it."""
        room, self._room = self._room, None
        if room is not None:
            await room.disconnect()
        await self._put_microphone_away()

    async def publish(self, *, name: str = "microphone", dtx: bool = False, red: bool = True) -> str:
        """Publishes a microphone, which from then on sends for ever. Returns the track's sid.

        - `dtx`: off where the first 20 ms of an utterance matter: Opus loses some of them after its own silence.
        """
        if self._microphone is not None:
            raise InvalidStateError("a microphone is published already: allowed: after `unpublish`")
        microphone = self._microphone = Microphone()
        self._track = rtc.LocalAudioTrack.create_audio_track(name, microphone.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=dtx, red=red)
        self._publication = await self.room.local_participant.publish_track(self._track, options)
        self._talking = self._tasks.start(microphone.run(), name="sdk microphone")
        return self._publication.sid

    async def unpublish(self) -> None:
        """Takes the microphone out of the room."""
        publication = self._publication
        if publication is None:
            raise InvalidStateError("no microphone is published: allowed: after `publish`")
        await self.room.local_participant.unpublish_track(publication.sid)
        await self._put_microphone_away()

    async def aclose(self) -> None:
        """Leaves, and stops all that it runs."""
        await self.leave()
        await self._tasks.cancel()

    async def _put_microphone_away(self) -> None:
        talking, microphone = self._talking, self._microphone
        self._talking = self._microphone = self._publication = self._track = None
        if talking is not None:
            talking.cancel()
            await asyncio.wait([talking])
        if microphone is not None:
            await microphone.aclose()

    def _listen_to(self, room: rtc.Room) -> None:
        emitter: Any = room  # its `on` takes a bare Callable
        for name in get_args(EventTypes):
            emitter.on(name, self._told(name))
        emitter.on("track_subscribed", self._subscribed)
        emitter.on("track_unsubscribed", self._unsubscribed)

    def _told(self, name: str) -> Callable[..., None]:
        return lambda *what: self._tell(name, facts_of(name, what))

    def _subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        identity, on_frame = participant.identity, self._on_frame

        def on_voice(began: bool, at_s: float) -> None:  # noqa: FBT001
            event = "voice_began" if began else "voice_ended"
            self._tell(event, {"identity": identity, "track": publication.sid, "at_s": at_s})

        ear = Ear(
            track,
            sample_rate=self.listen_hz,
            on_voice=on_voice,
            on_frame=None if on_frame is None else lambda frame: on_frame(identity, frame),
        )
        self.ears.setdefault(identity, []).append(ear)
        self._listening[publication.sid] = self._tasks.start(ear.run(), name=f"ear for {identity}")

    def _unsubscribed(self, _track: rtc.Track, publication: rtc.RemoteTrackPublication) -> None:
        # The SDK's stream goes on: a microphone that is published next may come the same way, and be heard twice.
        listening = self._listening.pop(publication.sid, None)
        if listening is not None:
            listening.cancel()

    def _failed(self, error: BaseException) -> None:
        self._tell("failed", {"error": f"{type(error).__name__}: {error}"})
