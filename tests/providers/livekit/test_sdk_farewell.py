"""Closing a loop leaves the room of the SDK's that was joined on it, and nothing of the loop is left with the SDK."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from livekit.rtc import _ffi_client

from beluga_voice.livekit.sdk.farewell import Farewell

if TYPE_CHECKING:
    from collections.abc import Generator

ROOM_HANDLE = 7


class Client:
    """The SDK's client, as far as leaving goes."""

    def __init__(self) -> None:
        self.left: list[int] = []
        self.queue = SimpleNamespace(_lock=threading.RLock(), _subscribers=[])

    def request(self, request: Any) -> None:
        self.left.append(request.disconnect.room_handle)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    monkeypatch.setattr(_ffi_client, "FfiClient", SimpleNamespace(instance=client))
    return client


@pytest.fixture
def loop() -> Generator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


async def joined() -> Farewell:
    farewell = Farewell()
    farewell.room(SimpleNamespace(isconnected=lambda: True, _ffi_handle=SimpleNamespace(handle=ROOM_HANDLE)))
    return farewell


def test_a_closed_loop_leaves_its_room(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    other = asyncio.new_event_loop()
    client.queue._subscribers += [("a queue", loop, None), ("a queue", other, None)]
    loop.run_until_complete(joined())
    assert client.left == []
    loop.close()
    assert client.left == [ROOM_HANDLE]
    assert client.queue._subscribers == [("a queue", other, None)]
    other.close()


def test_a_loop_whose_room_was_left_before_has_nothing_to_leave(
    client: Client, loop: asyncio.AbstractEventLoop
) -> None:
    farewell = loop.run_until_complete(joined())
    farewell.done()
    loop.close()
    assert client.left == []
