"""Where the native participant cannot serve, the SDK does: found out before `connect` returns, and said once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.media_relay import MediaRelay
from support.room_session import answer_to, is_heard, joined, session_on

from beluga_voice import Turn, get_registry, livekit
from beluga_voice.config import SessionConfig
from beluga_voice.livekit import joining
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech, LiveKitServer, NetworkConditions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from support.sdk_caller import SdkCaller

PATIENCE_S = 30.0
CARRIED = 'media="sdk" carries this room'


@pytest.fixture(autouse=True)
def nothing_was_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_warned", set())


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if CARRIED in record.getMessage()]


class OldServer:
    """A server before 1.9.1: the one behind it, with nothing at /rtc/v1."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[bytes] = []
        """Paths, without what is asked of them."""
        self.url = ""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            self.asked.append(path)
            if path.startswith(b"/rtc/v1"):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found")
                await writer.drain()
            else:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
                far_writer.write(head)
                await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def old_server(server: LiveKitServer) -> AsyncGenerator[OldServer]:
    old = OldServer(server.port)
    listening = await asyncio.start_server(old.carry, "127.0.0.1", 0)
    old.url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield old
    finally:
        listening.close()


async def test_a_server_that_is_too_old_for_us_is_left_to_the_sdk_with_one_warning(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = livekit.media_paths()
    async with old_server(livekit_server) as old:
        token = livekit_server.token(room_name, "agent", kind="agent")
        async with await livekit.connect(old.url, token) as room:
            assert room.media_path == "sdk"
            assert old.asked[0] == b"/rtc/v1"
            async with session_on(room, repeat) as tried:
                await is_heard(room, "ada")
                assert await answer_to(ada, "able bake") == ["able", "bake"]
                stats = tried.session.stats()
                assert stats["media_path_sdk"] == 1
                assert "media_path_native" not in stats
        async with await livekit.connect(old.url, livekit_server.token(room_name, "another")) as again:
            assert again.media_path == "sdk"
    assert livekit.media_paths() == {**before, "sdk": before["sdk"] + 2}
    (said,) = warnings(caplog)
    assert token not in said


async def test_a_room_to_which_we_find_no_way_is_left_and_joined_by_the_sdk(
    room_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    nothing_passes = NetworkConditions(loss_in_good=1.0)
    # Its ports for media cannot be reached but by the relay; it has none for TCP.
    with LiveKitServer(media_address=MediaRelay.ADDRESS) as server:
        async with MediaRelay(server.udp_port) as relay:
            await relay.network(up=nothing_passes, down=nothing_passes, seed=1)
            connecting = asyncio.create_task(_connected(server, room_name))
            async with asyncio.timeout(PATIENCE_S):
                while not await relay.stats():  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.01)
            # Who comes after the native participant has a network.
            await relay.network(up=NetworkConditions(), down=NetworkConditions(), seed=2)
            async with asyncio.timeout(PATIENCE_S):
                room = await connecting
            async with room:
                assert room.media_path == "sdk"
                (said,) = warnings(caplog)
                assert "no way for sound was found" in said
                # The first of the two is no longer there.
                assert room.remote_participants == {}
                assert len(await relay.stats()) >= 2
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def _connected(server: LiveKitServer, room: str) -> livekit.Room:
    return await livekit.connect(server.url, server.token(room, "agent", kind="agent"))


async def test_a_backend_says_how_many_of_its_rooms_and_calls_went_which_way(
    livekit_server: LiveKitServer, call_in: Any, room_name: str
) -> None:
    ada, bob = await asyncio.gather(call_in(livekit_server, "ada"), call_in(livekit_server, "bob"))
    key = {"api_key": livekit_server.api_key, "api_secret": livekit_server.api_secret}
    async with old_server(livekit_server) as old:
        urls = {"old": old.url, "new": livekit_server.url}
        backends = {
            name: get_registry().create("livekit", {"provider_config": {"url": url, **key}})
            for name, url in urls.items()
        }
        for caller, (name, backend) in zip((ada, bob), backends.items(), strict=True):
            await caller.join(f"{room_name}-{name}")
            await caller.publish()
            config = SessionConfig(agent=repeat, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
            await backend.answer(config, room=f"{room_name}-{name}")
        stats = {name: backend.stats() for name, backend in backends.items()}
        await asyncio.gather(*(backend.aclose() for backend in backends.values()))
    assert stats["old"]["media_path"] == {"native": 0, "sdk": 1}
    assert stats["new"]["media_path"] == {"native": 1, "sdk": 0}
    assert stats["old"]["totals"]["media_path_sdk"] == 1
    assert stats["new"]["totals"]["media_path_native"] == 1


async def test_an_sdk_whose_inside_is_not_the_one_we_know_carries_a_call_by_its_own_classes(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("track_ear", "sound_outlet"):
        monkeypatch.setattr(f"beluga_voice.livekit.sdk.{user}.media_events", lambda _: None)
    async with joined(livekit_server, room_name, media="sdk") as room, session_on(room, repeat):
        await is_heard(room, "ada")
        assert await answer_to(ada, "able bake calm dark") == ["able", "bake", "calm", "dark"]
