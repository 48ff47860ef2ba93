"""A room of the core's without a server: notes what is asked of it, and tells what a test wants told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from beluga_voice.livekit import Room, RoomOptions
from beluga_voice.livekit.native import driver as native

if TYPE_CHECKING:
    import pytest

    from beluga_voice import _core

TRACK = 7
"""The core's number of the track that is published."""

_MAY = {
    "can_subscribe": True,
    "can_publish": True,
    "can_publish_data": True,
    "can_publish_sources": [],
    "hidden": False,
    "can_update_metadata": True,
    "can_subscribe_metrics": False,
}
_AGENT = {
    "identity": "agent",
    "sid": "PA_1",
    "name": "",
    "metadata": "",
    "attributes": {},
    "kind": "AGENT",
    "kind_details": [],
    "state": "ACTIVE",
    "joined_ms": 0,
    "permissions": _MAY,
    "tracks": [],
}
_ROOM = {
    "name": "r",
    "sid": "RM_1",
    "metadata": "",
    "empty_timeout_s": 0,
    "departure_timeout_s": 0,
    "max_participants": 0,
    "created_ms": 0,
    "participants": 1,
    "publishers": 0,
    "is_recording": False,
}


def published(sid: str) -> dict[str, Any]:
    """What the core says of a track of ours."""
    return {
        "sid": sid,
        "name": "voice",
        "kind": "AUDIO",
        "source": "MICROPHONE",
        "muted": False,
        "mime_type": "audio/opus",
        "width": 0,
        "height": 0,
        "encrypted": False,
        "stereo": False,
    }


def failed(code: str, message: str = "no") -> dict[str, Any]:
    """An error as the core has it in its events."""
    return {"code": code, "message": message, "wants_sdk": False, "rpc": None}


class CoreRoom:
    """Stands in for `_core.Room`. `asked` are the commands: name and arguments."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.refuses: _core.CoreError | None = None
        """What commands are refused with."""
        self.newest = 0
        """The number of the newest command."""
        self._bell: Any = None
        self._events: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments, **named: self._ask(name, *arguments, *named.values())

    def _ask(self, name: str, *arguments: Any) -> int:
        if self.refuses is not None:
            raise self.refuses
        self.asked.append((name, arguments))
        return self._number()

    def _number(self) -> int:
        self.newest += 1
        return self.newest

    def publish(self, **_: Any) -> tuple[int, int]:
        return self._ask("publish"), TRACK

    def leave(self, reason: str) -> int:
        self.tell("disconnected", reason=reason, error=None)
        return self._number()

    def cancel(self, command: int) -> None:
        self.asked.append(("cancel", (command,)))

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for each, arguments in self.asked if each == name]

    def drain(self) -> tuple[list[tuple[str, dict[str, Any]]], bool]:
        events, self._events = self._events, []
        return events, False

    def tell(self, name: str, **fields: Any) -> None:
        self._events.append((name, fields))
        self._bell.ring()

    def done(self, value: Any = None, *, error: dict[str, Any] | None = None) -> None:
        """What came of the newest command."""
        self.tell("done", id=self.newest, value=value, error=error)

    def join_room(self, bell: Any, **_: Any) -> CoreRoom:
        self._bell = bell
        self.tell("connected", room=_ROOM, local=_AGENT, remotes=[])
        return self


class CoreLink:
    """Stands in for the `CallLink` of a call in that room; its doors there are 1 and 2."""

    def __init__(self) -> None:
        self.call = SimpleNamespace(doors_in_room=(1, 2), begin_utterance=lambda **_: 1, closed=False)
        self.closed = asyncio.Event()

    async def close(self) -> None:
        self.call.closed = True
        self.closed.set()

    def abandon(self) -> None:
        self.call.closed = True


async def room_on(core: CoreRoom, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Room:
    """A room that the core's is behind."""
    monkeypatch.setattr(native, "engine", lambda: SimpleNamespace(join_room=core.join_room))
    room = Room()
    await room.connect("ws://localhost", "token", RoomOptions(**options))
    return room
