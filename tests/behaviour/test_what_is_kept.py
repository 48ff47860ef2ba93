"""FR-026 to FR-028: a session that is over leaves nothing, but what a hook says, and that no longer than it says."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from beluga_voice import LocalCall, get_registry
from beluga_voice.config import BackendConfig, SessionConfig
from beluga_voice.hooks import DataRetentionHook
from beluga_voice.providers.local.backend import LocalBackend
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beluga_voice import Turn, VoiceSession
    from beluga_voice.hooks import DataType


class Policy(DataRetentionHook):
    """Keeps what it is given a period in seconds for."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def should_retain(self, data_type: DataType, metadata: Mapping[str, Any]) -> bool:
        self.asked.append((data_type, metadata))
        return data_type in self.seconds

    def get_retention_period(self, data_type: DataType) -> timedelta:
        return timedelta(seconds=self.seconds[data_type])


async def agent(turn: Turn) -> str:
    return "gold"


async def over(policy: object, *, hook_timeout: float = 5.0) -> tuple[Any, VoiceSession, list[str]]:
    """A backend, a session of it that is over, and the recordings of it that were forgotten."""
    config = BackendConfig(
        vad="energy",
        stt=FakeSpeechToText,
        tts=FakeTextToSpeech,
        data_retention_hook=policy,
        hook_timeout=hook_timeout,
    )
    backend = get_registry().create("local", config)
    session = await backend.create_session(SessionConfig(agent=agent, user_id="alice", metadata={"shop": 7}))
    forgotten: list[str] = []
    session.add_recording("call.wav", forget=lambda: forgotten.append("call.wav"))
    await session.start(LocalCall())
    await session.say("gold")
    await session.aclose()
    await asyncio.sleep(0.1)
    return backend, session, forgotten


async def test_fr_026_without_a_hook_nothing_is_kept() -> None:
    backend, session, forgotten = await over(None)
    assert backend.get_retained(session.id) is None
    assert backend.list_sessions() == []
    assert forgotten == ["call.wav"]
    assert [item.text for item in session.history] == ["gold"], "who holds the session still has it"


async def test_fr_027_a_provider_may_have_its_own_word_and_the_configurations_goes_before_it() -> None:
    class Keeping(LocalBackend):
        def _own_data_retention_hook(self) -> DataRetentionHook:
            return Policy(transcript=60)

    for policy, kept_words in ((None, ["gold"]), (Policy(metadata=60), None)):
        config = BackendConfig(vad="energy", stt=FakeSpeechToText, tts=FakeTextToSpeech, data_retention_hook=policy)
        backend = Keeping(config)
        session = await backend.create_session(SessionConfig(agent=agent))
        await session.start(LocalCall())
        await session.say("gold")
        await session.aclose()
        await asyncio.sleep(0.1)
        kept = backend.get_retained(session.id)
        assert kept is not None
        assert (kept.transcript and [item.text for item in kept.transcript]) == kept_words
        await backend.aclose()


async def test_fr_028_a_hook_is_asked_about_sound_words_and_metadata() -> None:
    policy = Policy()
    backend, session, forgotten = await over(policy)
    assert [data_type for data_type, _ in policy.asked] == ["audio", "transcript", "metadata"]
    assert policy.asked[0][1] == {"shop": 7, "session_id": session.id, "user_id": "alice"}
    assert backend.get_retained(session.id) is None
    assert (session.history, session.belongings().metadata, forgotten) == ((), {}, ["call.wav"])


async def test_fr_028_each_is_kept_for_its_period_and_forgotten_then() -> None:
    backend, session, forgotten = await over(Policy(audio=60, transcript=3_600, metadata=90 * 86_400))
    kept = backend.get_retained(session.id)
    assert kept.audio == ("call.wav",)
    assert [item.text for item in kept.transcript] == ["gold"]
    assert kept.metadata == {"shop": 7}
    await asyncio.sleep(59)
    assert forgotten == []
    await asyncio.sleep(2)
    assert (kept.audio, forgotten) == (None, ["call.wav"])
    assert session.history
    await asyncio.sleep(3_600)
    assert (kept.transcript, session.history) == (None, ())
    assert kept.metadata == {"shop": 7}


@pytest.mark.parametrize("fault", ["raises", "hangs", "says something else"])
async def test_a_hook_that_fails_keeps_nothing(fault: str) -> None:
    class Faulty(Policy):
        async def should_retain(self, data_type: DataType, metadata: Mapping[str, Any]) -> Any:
            if fault == "raises":
                raise OSError("no policy")
            if fault == "hangs":
                await asyncio.Event().wait()
            return "yes"

    backend, session, forgotten = await over(Faulty(transcript=60), hook_timeout=1.0)
    await backend.stop()
    assert backend.get_retained(session.id) is None
    assert (session.history, forgotten) == ((), ["call.wav"])


async def test_what_cannot_be_forgotten_keeps_nothing_else_from_it() -> None:
    def locked() -> None:
        raise PermissionError("call.wav")

    config = BackendConfig(vad="energy", stt=FakeSpeechToText, tts=FakeTextToSpeech)
    backend = get_registry().create("local", config)
    session = await backend.create_session(SessionConfig(agent=agent))
    forgotten: list[str] = []
    session.add_recording("a", forget=locked)
    session.add_recording("b", forget=lambda: forgotten.append("b"))
    await session.aclose()
    await backend.aclose()
    assert forgotten == ["b"]


async def test_no_more_sessions_are_kept_than_there_is_room_for() -> None:
    from beluga_voice.hooks.retention import Belongings, Retention

    retention = Retention(Policy(metadata=3_600), timeout_s=1.0, max_sessions=2)
    for number in range(3):
        await retention.take(Belongings(f"session {number}", None, (), {"number": number}))
    assert [retention.get(f"session {number}") is not None for number in range(3)] == [False, True, True]
    assert retention.forgotten_early == 1
