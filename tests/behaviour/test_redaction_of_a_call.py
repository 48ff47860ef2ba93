"""What a call's words become where they leave the process: logs, what is retained, transcripts in a room."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from support.call import on_call
from support.fake_room import FakeDriver, room_on
from support.room_session import session_on

from beluga_voice import LocalCall, get_registry
from beluga_voice.config import BackendConfig, SessionConfig
from beluga_voice.events import AgentOutputTranscribed, UserInputTranscribed
from beluga_voice.hooks import DataRetentionHook, Redactor
from beluga_voice.hooks.redaction import OutgoingWords
from beluga_voice.hooks.redactor import PersonalDataRedactor
from beluga_voice.livekit import RoomCall
from beluga_voice.livekit.room_state import ParticipantInfo
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from beluga_voice import Turn
    from beluga_voice.hooks import DataType

CARD = "4111 1111 1111 1111"


async def silent(turn: Turn) -> str:
    return ""


class KeepAll(DataRetentionHook):
    def should_retain(self, data_type: DataType, metadata: Mapping[str, Any]) -> bool:
        return True

    def get_retention_period(self, data_type: DataType) -> timedelta:
        return timedelta(days=1)


async def test_the_agent_gets_every_word_and_what_is_retained_has_none_of_them() -> None:
    asked: list[str] = []

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        return ""

    config = BackendConfig(
        vad="energy",
        stt=FakeSpeechToText,
        tts=FakeTextToSpeech,
        data_retention_hook=KeepAll,
        redaction={"entities": ["card"]},
    )
    backend = get_registry().create("local", config)
    session = await backend.create_session(SessionConfig(agent=agent))
    await session.start(LocalCall())
    session.generate_reply(user_input=f"my card is {CARD}")
    await asyncio.sleep(1)
    await session.aclose()
    await asyncio.sleep(1)
    assert asked == [f"my card is {CARD}"]
    assert session.history[0].text == f"my card is {CARD}"
    kept = backend.get_retained(session.id)
    assert [item.text for item in kept.transcript] == ["my card is [card]"]
    await backend.aclose()


async def test_logs_of_a_failing_callback_have_none_of_them(caplog: pytest.LogCaptureFixture) -> None:
    def callback(event: Any) -> None:
        raise ValueError(f"cannot store {event.item.text!r}")

    async with on_call(silent, redaction={}) as tried:
        tried.session.on("conversation_item_added", callback)
        tried.session.generate_reply(user_input=f"my card is {CARD}")
        await asyncio.sleep(1)
    assert "cannot store 'my card is [card]'" in caplog.text
    assert CARD not in caplog.text


async def test_transcripts_in_a_room_are_redacted_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def written(redaction: Any) -> str:
        driver = FakeDriver(ParticipantInfo(identity="ada"))
        async with (
            await room_on(driver, monkeypatch) as room,
            session_on(RoomCall(room), silent, redaction=redaction) as tried,
        ):
            await tried.session.say("gold hand")
            await driver.until(lambda: driver.named("close_stream") != [])
            told = " ".join(event.transcript for event in tried.all(AgentOutputTranscribed)).strip()
            assert told == "gold hand", "the session's own callbacks have all"
        return "".join(text for _, text in driver.named("write_stream"))

    patterns = {"metal": "gold|iron"}
    assert await written(None) == "gold hand"
    assert await written({"patterns": patterns}) == "gold hand"
    assert await written({"patterns": patterns, "transcription": True}) == "[metal] hand"


def test_words_that_were_shown_are_never_taken_back() -> None:
    outgoing = OutgoingWords(PersonalDataRedactor())

    def caller(text: str, *, is_final: bool = False) -> str:
        event = outgoing.of(UserInputTranscribed(at_s=0.0, created_at=0.0, transcript=text, is_final=is_final))
        assert isinstance(event, UserInputTranscribed)
        return event.transcript

    assert [
        caller("my"),
        caller("my card"),
        caller("my card is 4111 1111"),
        caller(f"my card is {CARD}"),
        caller(f"my card is {CARD} thanks"),
        caller(f"my card is {CARD} thanks", is_final=True),
    ] == ["", "my", "my card is", "my card is", "my card is", "my card is [card] thanks"]

    def agent(words: str, *, is_final: bool = False) -> str:
        event = outgoing.of(
            AgentOutputTranscribed(at_s=0.0, created_at=0.0, speech_id="s", transcript=words, is_final=is_final)
        )
        assert isinstance(event, AgentOutputTranscribed)
        return event.transcript

    words = ["Your card", "4111 1111", "1111 1111", "works fine.", "Thank you."]
    shown = [*(agent(each) for each in words), agent("", is_final=True)]
    assert shown == ["Your card", "", "", "[card] works fine.", "Thank you.", ""]


async def test_a_redactor_of_ones_own() -> None:
    class Nothing(Redactor):
        def redact(self, text: str) -> str:
            return "-" * len(text)

    async with on_call(silent, redaction=Nothing()) as tried:
        assert tried.session.redacted("able") == "----"
