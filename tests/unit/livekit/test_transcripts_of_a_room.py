"""Transcripts that cannot be sent as fast as they come: what is dropped, and what its readers learn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.fake_room import FakeDriver, room_on

from beluga_voice.livekit.data_stream import StreamError
from beluga_voice.livekit.transcripts import SEGMENTS_WAITING, Transcripts

if TYPE_CHECKING:
    import pytest


class SlowDriver(FakeDriver):
    """Nothing is written while the gate is shut; `refused` is never written."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.refused = b""

    async def write_stream(self, stream_id: str, content: bytes) -> None:
        self._note("writing", content.decode())
        await self.gate.wait()
        if content == self.refused:
            raise StreamError("too much is on its way")
        await super().write_stream(stream_id, content)

    def still_open(self) -> set[str]:
        opened = {stream.stream_id for stream, _ in self.named("open_stream")}
        return opened - {stream_id for stream_id, _ in self.named("close_stream")}


async def transcripts_on(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> Transcripts:
    return Transcripts(await room_on(driver, monkeypatch), "ada", for_all=False, track_sids=lambda: ("", ""))


async def test_a_speech_of_which_the_rest_is_dropped_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SlowDriver()
    transcripts = await transcripts_on(driver, monkeypatch)
    transcripts.agent_says("1", "gold", is_final=False)
    await driver.until(lambda: driver.named("write_stream") != [])
    driver.gate.clear()
    transcripts.caller_says(0, "able", is_final=True)
    await driver.until(lambda: "able" in driver.named("writing"))
    transcripts.agent_says("1", "hand", is_final=True)
    for turn in range(SEGMENTS_WAITING):
        transcripts.caller_says(1 + turn, "bake", is_final=True)
    driver.gate.set()
    await transcripts.aclose()
    assert transcripts.stats() == {"transcripts_dropped": 1}
    assert " hand" not in driver.named("writing")
    assert driver.still_open() == set()


async def test_a_speech_whose_last_words_cannot_be_written_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SlowDriver()
    driver.refused = b" hand"
    transcripts = await transcripts_on(driver, monkeypatch)
    transcripts.agent_says("1", "gold", is_final=False)
    await driver.until(lambda: driver.named("write_stream") != [])
    transcripts.agent_says("1", "hand", is_final=True)
    await transcripts.aclose()
    assert transcripts.stats() == {"transcripts_dropped": 1}
    assert driver.still_open() == set()
