"""500 sessions opened and closed from 50 tasks at once, where there are places for 100."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

from support.fake_backend import FakeServer, fake_backend

from beluga_voice import LocalCall, SessionConfig
from beluga_voice.errors import BelugaVoiceError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn, VoiceSession

LIMIT, TASKS, EACH = 100, 50, 10


async def agent(turn: Turn) -> str:
    return "gold"


async def test_none_is_over_the_limit_none_is_left_and_each_refusal_has_its_code() -> None:
    """Every task wants ten at once; what is refused is asked for again. One in ten dials fails for good on its way."""
    chance = random.Random(7)
    server = FakeServer()
    server.delay_s, server.engaged_every = 0.05, 10
    backend = fake_backend(server, max_concurrent_sessions=LIMIT, max_retries=0)
    config = SessionConfig(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech)
    for _ in range(TASKS * EACH):
        backend.calls.put_nowait(LocalCall())
    refusals: Counter[tuple[str, str | None]] = Counter()
    seen: list[int] = []
    served: list[VoiceSession] = []
    before = asyncio.all_tasks()

    async def opened() -> VoiceSession:
        while True:
            try:
                session = await backend.answer(config)
            except BelugaVoiceError as error:
                refusals[error.code, error.provider] += 1
                await asyncio.sleep(chance.uniform(0.1, 0.5))
            else:
                return session
            finally:
                seen.append(backend.get_active_session_count())

    async def one() -> None:
        session = await opened()
        served.append(session)
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        if chance.random() < 0.5:
            await backend.close_session(session.id)
        else:
            await session.aclose()

    async def task() -> None:
        await asyncio.gather(*(one() for _ in range(EACH)))

    async with asyncio.timeout(120.0):
        await asyncio.gather(*(task() for _ in range(TASKS)))

    assert len({session.id for session in served}) == TASKS * EACH
    assert all(session.state == "ended" for session in served)
    assert max(seen) == LIMIT
    assert set(refusals) == {("session_limit_exceeded", "phone"), ("protocol_error", "phone")}
    assert backend.list_sessions() == []
    assert backend.stats()["sessions"] == 0
    assert (await backend.health_check()).details["capacity"].status == "healthy"
    await backend.stop()
    assert asyncio.all_tasks() == before
