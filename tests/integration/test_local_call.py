"""The real recogniser, voice and detector over a call in this process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from beluga_voice import LocalCall, VoiceSession
from beluga_voice.events import Interruption, PlayoutFinished, SessionEvent

from .conftest import SENTENCES, room

if TYPE_CHECKING:
    from beluga_voice import Turn


PATIENCE_S = 60.0


async def test_a_caller_is_understood_answered_and_talks_over_the_answer(spoken: dict[str, Any]) -> None:
    asked: list[str] = []

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        if len(asked) == 1:
            return "The boy was there when the sun rose, and he stayed until the evening came and the lamps were lit."
        return "All right."

    session = VoiceSession(agent=agent)
    call = LocalCall(sample_rate=16_000)
    events: list[SessionEvent] = []
    changed = asyncio.Event()

    async def watch(stream: Any) -> None:
        async for event in stream:
            events.append(event)
            changed.set()

    async def heard(kind: type[SessionEvent], number: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while sum(isinstance(event, kind) for event in events) < number:
                changed.clear()
                await changed.wait()

    async def listen() -> Any:
        pieces = []
        while (chunk := await call.read(0.1)) is not None:
            pieces.append(chunk.samples)
        return np.concatenate(pieces)

    watching = asyncio.create_task(watch(session.events()))
    await session.start(call)
    listening = asyncio.create_task(listen())
    await call.write(spoken[SENTENCES[2]])
    await call.write(room(1.5))
    async with asyncio.timeout(PATIENCE_S):
        while session.agent_state != "speaking":
            changed.clear()
            await changed.wait()
    await call.write(room(1.0, seed=1))
    await call.write(spoken[SENTENCES[0]])
    await call.write(room(1.0, seed=2))
    await heard(PlayoutFinished, 2)
    await session.aclose()
    await watching
    sound = await listening

    assert len(asked) == 2
    assert len(set(asked[0].split()) & set(SENTENCES[2].split())) >= 6, asked[0]
    assert len(set(asked[1].split()) & set(SENTENCES[0].split())) >= 5, asked[1]
    assert sum(isinstance(event, Interruption) for event in events) == 1
    first, second = (item for item in session.history if item.role == "assistant")
    assert first.interrupted
    assert first.text.startswith("The boy was")
    assert second.text == "All right."
    assert np.abs(sound.astype(int)).max() > 3_000
    assert session.stats()["illegal_transitions"] == 0
