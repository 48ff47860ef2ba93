"""The SDK's room behind our driver: what it tells too early, and what becomes of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from livekit import rtc

from beluga_voice.livekit import RoomOptions, room_events as told
from beluga_voice.livekit.sdk.driver import SdkDriver

if TYPE_CHECKING:
    from collections.abc import Callable

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

    async def disconnect(self, *, reason: int) -> None:
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
