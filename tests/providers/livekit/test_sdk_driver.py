"""The SDK's room behind our driver: what it tells too early, and what becomes of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from livekit import rtc

from beluga_voice.livekit import RoomOptions, TrackPublishOptions, another_token, room_events as told
from beluga_voice.livekit.enums import DisconnectReason
from beluga_voice.livekit.sdk.driver import SdkDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from beluga_voice.livekit.room_events import RoomEvent

PERMISSIONS = SimpleNamespace(
    can_subscribe=True,
    can_publish=True,
    can_publish_data=True,
    can_publish_sources=[],
    hidden=False,
    can_update_metadata=True,
    can_subscribe_metrics=False,
    can_manage_agent_session=False,
)


def participant(identity: str) -> Any:
    return SimpleNamespace(
        identity=identity,
        sid=f"PA_{identity}",
        name="",
        metadata="",
        attributes={},
        kind=0,
        kind_details=[],
        state=2,
        joined_at=None,
        permissions=PERMISSIONS,
        disconnect_reason=None,
        track_publications={},
    )


def publication(sid: str) -> Any:
    return SimpleNamespace(
        sid=sid,
        name="microphone",
        kind=1,
        source=2,
        muted=False,
        mime_type="audio/opus",
        simulcasted=False,
        width=0,
        height=0,
        encryption_type=0,
        audio_features=[],
        track=None,
    )


class SdkRoom:
    """A livekit.rtc Room in which Ada is heard before `connect` has returned, as on a busy machine."""

    metadata = ""
    name = "r"
    empty_timeout = departure_timeout = 0.0
    num_participants = num_publishers = 2
    is_recording = False
    creation_time = dt.datetime.fromtimestamp(0, dt.UTC)

    def __init__(self) -> None:
        self.callbacks: dict[str, list[Callable[..., None]]] = {}
        self.local_participant = participant("agent")
        self.ada = participant("ada")
        self.microphone = publication("TR_1")
        self.remote_participants = {"ada": self.ada}

    def on(self, event: str, callback: Callable[..., None]) -> None:
        self.callbacks.setdefault(event, []).append(callback)

    def emit(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks.get(event, []):
            callback(*arguments)

    async def connect(self, url: str, token: str, options: Any) -> None:
        self.ada.track_publications["TR_1"] = self.microphone
        self.hear(self.microphone)

    def hear(self, heard: Any) -> None:
        heard.track = SimpleNamespace(sid=heard.sid)
        self.emit("track_subscribed", heard.track, heard, self.ada)

    @property
    async def sid(self) -> str:
        return "RM_1"

    async def disconnect(self, *, reason: int = DisconnectReason.CLIENT_INITIATED) -> None:
        self.emit("disconnected", reason)


async def test_what_is_subscribed_to_while_the_room_is_joined_is_told_of_once_it_is_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rooms: list[SdkRoom] = []

    def make() -> SdkRoom:
        rooms.append(SdkRoom())
        return rooms[-1]

    monkeypatch.setattr(rtc, "Room", make)
    driver = SdkDriver()
    events: list[RoomEvent] = []
    driver.on_event = events.append
    state = await driver.connect("ws://localhost", "token", RoomOptions())
    assert [info.identity for info, _ in state.remote] == ["ada"]
    assert events == []
    room = rooms[0]
    room.ada.track_publications["TR_2"] = publication("TR_2")
    room.hear(room.ada.track_publications["TR_2"])
    await asyncio.sleep(0)
    subscribed = [event for event in events if isinstance(event, told.TrackSubscribed)]
    assert sorted(event.sid for event in subscribed) == ["TR_1", "TR_2"]
    await driver.disconnect(0)


class Publisher:
    """A local participant. `wrong`: what publishing raises, once it may (`gate`)."""

    def __init__(self, sids: Iterator[str], *, can_publish: bool = True, wrong: Exception | None = None) -> None:
        vars(self).update(vars(participant("agent")))
        self.permissions = SimpleNamespace(**{**vars(PERMISSIONS), "can_publish": can_publish})
        self._sids = sids
        self._wrong = wrong
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish_track(self, track: Any, options: Any) -> Any:
        self.asked.set()
        await self.gate.wait()
        if self._wrong is not None:
            raise self._wrong
        return publication(next(self._sids))


class Rejoining:
    """A driver with tracks TR_a and TR_b in a room that the SDK loses; `publishers`: of the rooms that are joined."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sids = iter(f"TR_{letter}" for letter in "abcdef")
        self.publishers: list[Publisher] = [self.publisher()]
        self.rooms: list[SdkRoom] = []
        self.driver = SdkDriver()
        self.events: asyncio.Queue[RoomEvent] = asyncio.Queue()
        self.driver.on_event = self.events.put_nowait
        monkeypatch.setattr(rtc, "Room", self._room)
        monkeypatch.setattr(rtc, "AudioSource", lambda *_: None)
        monkeypatch.setattr(rtc, "LocalAudioTrack", SimpleNamespace(create_audio_track=lambda *_: SimpleNamespace()))
        monkeypatch.setattr(another_token, "_DELAYS_S", (0.0, 0.0, 0.0))

    def _room(self) -> SdkRoom:
        room = SdkRoom()
        room.local_participant = self.publishers[min(len(self.rooms), len(self.publishers) - 1)]
        self.rooms.append(room)
        return room

    def publisher(self, **how: Any) -> Publisher:
        return Publisher(self.sids, **how)

    async def lose(self) -> None:
        await self.driver.connect("ws://localhost", "token", RoomOptions(token_source=lambda: "another"))
        for name in ("a", "b"):
            await self.driver.publish_track(
                name, sample_rate=48_000, num_channels=1, queue_size_ms=0, options=TrackPublishOptions()
            )
        self.rooms[0].emit("disconnected", DisconnectReason.SIGNAL_CLOSE)

    async def told_until(self, last: type[RoomEvent]) -> list[RoomEvent]:
        events: list[RoomEvent] = []
        async with asyncio.timeout(10.0):
            while not events or not isinstance(events[-1], last):
                events.append(await self.events.get())
        return events


def republished(events: list[RoomEvent]) -> list[tuple[str, str]]:
    return [(event.previous_sid, event.track.sid) for event in events if isinstance(event, told.LocalTrackRepublished)]


async def test_a_room_joined_anew_by_a_token_without_the_right_to_publish_is_back_without_its_tracks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = Rejoining(monkeypatch)
    tried.publishers.append(tried.publisher(can_publish=False))
    await tried.lose()
    events = await tried.told_until(told.Reconnected)
    unpublished = [event.sid for event in events if isinstance(event, told.LocalTrackUnpublished)]
    assert unpublished == ["TR_a", "TR_b"]
    await tried.driver.disconnect(0)


async def test_a_room_in_which_tracks_cannot_be_published_anew_is_joined_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = Rejoining(monkeypatch)
    tried.publishers += [tried.publisher(wrong=RuntimeError("engine is closed")), tried.publisher()]
    await tried.lose()
    assert republished(await tried.told_until(told.Reconnected)) == [("TR_a", "TR_c"), ("TR_b", "TR_d")]
    assert tried.driver.stats() == {"rejoins": 2}
    assert not tried.events.qsize()  # that the room between was left is nobody's business
    await tried.driver.disconnect(0)


async def test_a_room_in_which_tracks_can_never_be_published_anew_is_told_to_be_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = Rejoining(monkeypatch)
    tried.publishers.append(tried.publisher(wrong=RuntimeError("engine is closed")))
    await tried.lose()
    (*_, last) = await tried.told_until(told.Disconnected)
    assert last == told.Disconnected(DisconnectReason.SIGNAL_CLOSE)
    await tried.driver.disconnect(0)


async def test_a_connection_that_is_lost_again_while_tracks_are_published_anew_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = Rejoining(monkeypatch)
    lost_again = tried.publisher(wrong=RuntimeError("engine is closed"))
    lost_again.gate.clear()
    tried.publishers += [lost_again, tried.publisher()]
    await tried.lose()
    await lost_again.asked.wait()
    tried.rooms[1].emit("disconnected", DisconnectReason.SIGNAL_CLOSE)
    lost_again.gate.set()
    assert republished(await tried.told_until(told.Reconnected)) == [("TR_a", "TR_c"), ("TR_b", "TR_d")]
    assert tried.driver.stats() == {"rejoins": 2}
    await tried.driver.disconnect(0)
