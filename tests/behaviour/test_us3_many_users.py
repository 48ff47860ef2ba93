"""US3: many callers at once, over one instance of a backend and over several, and one more than there is room for."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support.fake_backend import FakePhoneProvider

from beluga_voice import BackendConfig, LocalCall, SessionConfig, get_registry
from beluga_voice.errors import SessionError
from beluga_voice.events import ConversationItemAdded
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import WORDS, spoken

if TYPE_CHECKING:
    from beluga_voice import Turn, VoiceBackend, VoiceSession

CALLERS = 100


async def echo(turn: Turn) -> str:
    return f"{turn.text}."


CONFIG = SessionConfig(agent=echo, stt=FakeSpeechToText, tts=FakeTextToSpeech)


async def asks(backend: VoiceBackend, words: list[str]) -> tuple[VoiceSession, list[float]]:
    """One caller's conversation, word by word: its session, and how long he waited for each answer."""
    session, call = await backend.create_session(CONFIG), LocalCall()
    events = session.events()
    await session.start(call)
    waited: list[float] = []
    for word in words:
        await call.write(spoken(word, call.sample_rate))
        async for event in events:
            if isinstance(event, ConversationItemAdded) and "e2e_latency" in event.metrics:
                waited.append(event.metrics["e2e_latency"])
                break
    return session, waited


async def test_us3_1_a_hundred_callers_at_once_are_all_answered_as_soon_as_one_alone() -> None:
    """US3.1: each is given his own answers, none waits longer for the others' sake. What it costs a machine:
    `make bench-scale`, `make bench-agents`."""
    backend = get_registry().create("local", {"vad": "energy"})
    names = sorted(WORDS)
    alone, (lone_wait, *_) = await asks(backend, names[:2])
    await alone.aclose()

    words = [[names[caller % len(names)], names[(caller // len(names)) % len(names)]] for caller in range(CALLERS)]
    answered = await asyncio.gather(*(asks(backend, each) for each in words))
    assert backend.get_active_session_count() == CALLERS
    for (session, waited), (first, second) in zip(answered, words, strict=True):
        assert [message.text for message in session.history] == [first, f"{first}.", second, f"{second}."]
        assert max(waited) <= lone_wait + 0.05
    assert (await backend.health_check()).details["agent"].status == "healthy"
    await backend.aclose()


async def test_us3_2_callers_spread_over_the_instances_that_have_room_for_them() -> None:
    """US3.2: three instances take calls from one line, each when it has room. A worker that is sent calls by how loaded
    it is (`Worker`, `load`) comes with a later issue."""
    phones = FakePhoneProvider()
    config = BackendConfig(provider="phone", vad="energy", max_concurrent_sessions=4)
    instances = [phones.create_backend(config) for _ in range(3)]
    served: Counter[str] = Counter()
    refusals: list[str] = []

    async def serve(backend: VoiceBackend) -> None:
        while True:
            try:
                session = await backend.answer(CONFIG)
            except SessionError as full:
                refusals.append(full.code)
                return
            served[backend.id] += 1
            assert session.backend_id == backend.id

    serving = [asyncio.create_task(serve(backend)) for backend in instances]
    for _ in range(6):
        await phones.calls.put(LocalCall())
        await asyncio.sleep(1.0)
    assert sorted(served.values()) == [2, 2, 2]
    for _ in range(6):
        await phones.calls.put(LocalCall())
    await asyncio.gather(*serving)
    assert refusals == ["session_limit_exceeded"] * 3
    assert [served[backend.id] for backend in instances] == [4, 4, 4]
    assert {(await backend.health_check()).status for backend in instances} == {"degraded"}
    await asyncio.gather(*(backend.aclose() for backend in instances))


async def test_us3_3_a_caller_too_many_is_refused_with_the_reason_and_disturbs_nobody() -> None:
    """US3.3."""
    backend = get_registry().create("local", {"vad": "energy", "max_concurrent_sessions": 2})
    first, _ = await asks(backend, ["able"])
    await asks(backend, ["bake"])
    health = await backend.health_check()
    assert health.details["capacity"].reason == "2 of 2 sessions are open (max_concurrent_sessions)"
    await backend.ring(LocalCall())
    with pytest.raises(SessionError) as full:
        await backend.answer(CONFIG)
    assert full.value.to_dict() == {
        "code": "session_limit_exceeded",
        "message": "2 sessions are open: allowed: 2 (max_concurrent_sessions)",
        "provider": "local",
        "operation": "create_session",
        "retryable": False,
        "details": {"open": 2, "allowed": 2},
    }
    await first.say("calm")
    assert first.state == "active"
    # Who was refused still rings, and is answered when there is room.
    await first.aclose()
    assert (await backend.answer(CONFIG)).state == "active"
    await backend.aclose()
