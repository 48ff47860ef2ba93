"""A room without a server: a driver that notes what it is told to do, and tells what a test wants told."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from beluga_voice.livekit import Room, RoomOptions, joining
from beluga_voice.livekit.enums import ParticipantKind, TrackSource
from beluga_voice.livekit.room_events import (
    Disconnected,
    LocalTrackPublished,
    LocalTrackSubscribed,
    ParticipantConnected,
    ParticipantDisconnected,
    RoomEvent,
    TrackPublished,
    TrackSubscribed,
)
from beluga_voice.livekit.room_state import Joined, ParticipantInfo, ParticipantPermission, RoomInfo, TrackInfo
from beluga_voice.transport import TransportStats

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from beluga_voice.call_link import CallLink
    from beluga_voice.transport import CallSettings


class FakeMedia:
    """The sound of a call: a call of the core that nobody speaks into."""

    def __init__(self, link: CallLink, track: TrackInfo, sample_rate: int) -> None:
        self.link = link
        self.track = track
        self.sample_rate = sample_rate
        self.heard: list[str | None] = []
        """The tracks that the call was to hear, one after another."""
        self.closed = False

    def listen(self, sid: str | None) -> None:
        self.heard.append(sid)

    def stats(self) -> dict[str, int]:
        return {"fake_frames": 1}

    async def transport_stats(self) -> TransportStats:
        return TransportStats(round_trip_s=0.02)

    async def aclose(self) -> None:
        self.closed = True


class FakeDriver:
    """Answers every command at once. `done` are the commands: name and arguments."""

    media_path = "native"

    def __init__(self, *remote: ParticipantInfo) -> None:
        self.on_event: Callable[[RoomEvent], None] = lambda _: None
        self.done: list[tuple[str, Any]] = []
        self.calls: list[FakeMedia] = []
        self.sinks: list[FakeSink] = []
        """Of the tracks that were published."""
        self.feeds: dict[str, FakeFeed] = {}
        """Of the tracks that somebody listens to, by sid."""
        self._changed = asyncio.Event()
        self.wait_for: asyncio.Event | None = None
        """What commands wait for that are awaited."""
        self.subscribes = True
        """Whether callers subscribe to what is published."""
        self._remote = remote
        self._numbers = itertools.count(1)
        self._over = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def command(*arguments: Any, **named: Any) -> None:
            self._note(name, named if named else arguments)

        return command

    def _note(self, name: str, arguments: Any) -> None:
        self.done.append((name, arguments))
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until that is so; looked at after each command."""
        async with asyncio.timeout(5.0):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def named(self, name: str) -> list[Any]:
        return [arguments for each, arguments in self.done if each == name]

    def tell(self, *events: RoomEvent) -> None:
        for event in events:
            self.on_event(event)

    async def connect(self, url: str, token: str, options: RoomOptions) -> Joined:
        local = ParticipantInfo(identity="agent", permission=ParticipantPermission(can_update_metadata=True))
        return Joined(RoomInfo(name="r", sid="RM_1"), local, tuple((each, ()) for each in self._remote))

    async def disconnect(self, reason: int) -> None:
        if not self._over:
            self._over = True
            self.tell(Disconnected(reason))

    def stats(self) -> dict[str, int]:
        return {}

    async def publish_track(self, name: str, **_: Any) -> tuple[TrackInfo, Any]:
        track = TrackInfo(sid=f"TR_{next(self._numbers)}", name=name)
        self.tell(LocalTrackPublished(track))
        self.sinks.append(FakeSink())
        return track, self.sinks[-1]

    async def unpublish_track(self, sid: str) -> None:
        self._note("unpublish_track", sid)

    async def open_call(self, settings: CallSettings, *, track_name: str, sample_rate: int, options: Any) -> FakeMedia:
        self._note("open_call", track_name)
        link = settings.open(codec="pcm", input_hz=16_000, output_hz=sample_rate)
        track = TrackInfo(sid=f"TR_{next(self._numbers)}", name=track_name)
        self.tell(LocalTrackPublished(track))
        if self.subscribes:
            asyncio.get_running_loop().call_soon(self.tell, LocalTrackSubscribed(track.sid))
        media = FakeMedia(link, track, sample_rate)
        self.calls.append(media)
        return media

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        self._note("set_attributes", dict(attributes))
        if self.wait_for is not None:
            await self.wait_for.wait()

    async def open_stream(self, stream: Any, **about: Any) -> Any:
        from dataclasses import replace

        opened = replace(stream, stream_id=stream.stream_id or f"S{next(self._numbers)}")
        self._note("open_stream", (opened, about))
        return opened

    async def write_stream(self, stream_id: str, content: bytes) -> None:
        self._note("write_stream", (stream_id, content.decode()))

    async def close_stream(self, stream_id: str, *, reason: str, attributes: Any) -> None:
        self._note("close_stream", (stream_id, dict(attributes)))

    async def publish_transcription(self, **about: Any) -> None:
        self._note("publish_transcription", about)

    def set_subscribed(self, identity: str, sid: str, *, subscribed: bool) -> None:
        self._note("set_subscribed", (identity, sid, subscribed))
        if subscribed:
            asyncio.get_running_loop().call_soon(self.tell, TrackSubscribed(identity, sid))

    def open_audio(self, sid: str, **_: Any) -> FakeFeed:
        self.feeds[sid] = FakeFeed()
        self._changed.set()
        return self.feeds[sid]

    # -- what others do -------------------------------------------------------------------------------------------

    def joins(self, identity: str, *, kind: int = ParticipantKind.PARTICIPANT_KIND_STANDARD, **more: Any) -> None:
        self.tell(ParticipantConnected(ParticipantInfo(identity=identity, kind=kind, **more)))

    def leaves(self, identity: str, reason: int) -> None:
        self.tell(ParticipantDisconnected(identity, reason))

    def publishes(self, identity: str, sid: str, *, source: int = TrackSource.SOURCE_MICROPHONE) -> None:
        self.tell(TrackPublished(identity, TrackInfo(sid=sid, source=source)))


class FakeSink:
    """Where the sound of a published track goes."""

    def __init__(self) -> None:
        self.frames: list[Any] = []

    async def capture(self, frame: Any) -> None:
        self.frames.append(frame)

    def clear(self) -> None:
        self.frames.clear()


class FakeFeed:
    """The sound of a remote track, which never ends by itself."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[Any] = asyncio.Queue()
        self.closed = False

    async def read(self) -> Any:
        return await self.frames.get()

    async def aclose(self) -> None:
        self.closed = True


async def room_on(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A room that this driver carries."""
    monkeypatch.setattr(joining, "_native_driver", lambda: driver)
    room = Room()
    await room.connect("ws://localhost", "token")
    return room
