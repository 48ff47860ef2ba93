"""EC-009: malformed sound from a model of speech costs the turn in which it comes, under an error code, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.answering import codes
from support.call import on_call

from beluga_voice.commands import ToolStarted
from beluga_voice.errors import ComponentError
from beluga_voice.events import ErrorEvent, PlayoutFinished
from beluga_voice.speech_to_speech import Conversation, SpeechToSpeech
from beluga_voice.testing import FakeSpeechToSpeech

MALFORMED: dict[str, Any] = {
    "NaN": np.full(160, np.nan, np.float32),
    "infinite": np.full(160, np.inf, np.float32),
    "odd bytes": bytes(321),
    "uint16": np.zeros(160, np.uint16),
    "big-endian": np.zeros(160, ">i2"),
    "three channels": np.zeros((160, 3), np.int16),
    "a number": 3,
    "nothing": None,
    "a list": [0, 1],
}


@pytest.mark.parametrize("sound", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_sound_ends_the_reply_that_it_came_in(sound: Any) -> None:
    model = FakeSpeechToSpeech([["gold", sound, "hand"], "zero"])
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        await tried.until(lambda: tried.session.agent_state == "listening")
        assert codes(tried) == [("s2s", "invalid_audio_format")]
        await tried.say("bake")
        await tried.agent_heard("zero")
        await tried.until(lambda: len(tried.session.history) == 4)
        assert [item.text for item in tried.session.history] == ["able", "gold", "bake", "zero"]

    error = tried.all(ErrorEvent)[0].error
    assert "allowed:" in str(error)
    assert error.provider == "FakeSpeechToSpeech"
    assert tried.agent_words == ["gold", "zero"]  # what was good was heard, what came after it was not
    assert len(model.given_up) == 1
    assert model.lives == 1


async def test_malformed_sound_is_told_once_however_much_of_it_comes() -> None:
    model = FakeSpeechToSpeech([[b"odd"] * 50, "zero"], keeps_talking=True)
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        await tried.until(lambda: bool(codes(tried)))
        await tried.until(lambda: tried.session.agent_state == "listening")
        assert codes(tried) == [("s2s", "invalid_audio_format")]
        await tried.say("bake")
        await tried.agent_heard("zero")

    assert tried.session.stats()["s2s_sounds_dropped"] == 49


class _Garbled(FakeSpeechToSpeech):
    """Says one thing that cannot be, then answers."""

    def __init__(self, say_it: Any) -> None:
        super().__init__(["zero"])
        self._say_it = say_it

    async def converse(self, ear: Any, conversation: Conversation) -> None:
        self._say_it(conversation)
        await super().converse(ear, conversation)


@pytest.mark.parametrize(
    ("say_it", "code"),
    [
        (lambda conversation: conversation.heard("able"), "invalid_response"),
        (lambda conversation: conversation.tell("look"), "malformed_response"),
        (lambda conversation: conversation.begin_reply("able").text("gold"), "malformed_response"),
        (lambda conversation: conversation.begin_reply().text(3), "malformed_response"),
    ],
)
async def test_a_message_that_cannot_be_is_told_and_not_heeded(say_it: Any, code: str) -> None:
    model = _Garbled(say_it)
    async with on_call(None, s2s=model) as tried:
        assert codes(tried) == [("s2s", code)] or await tried.heard(ErrorEvent)
        assert codes(tried) == [("s2s", code)]
        await tried.say("able")
        await tried.agent_heard("zero")

    assert model.lives == 1


async def test_an_answer_without_sound_is_told() -> None:
    async with on_call(None, s2s=FakeSpeechToSpeech([[], "zero"])) as tried:
        await tried.say("able")
        await tried.until(lambda: codes(tried) == [("s2s", "empty_response")])
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.say("bake")
        await tried.agent_heard("zero")


async def test_a_tool_is_reason_enough_to_say_nothing() -> None:
    async with on_call(None, s2s=FakeSpeechToSpeech([[ToolStarted("look")], "zero"])) as tried:
        await tried.say("able")
        await tried.until(lambda: tried.session.agent_state == "thinking")
        await tried.until(lambda: tried.session.agent_state == "listening")
        assert not codes(tried)


class _Deaf(SpeechToSpeech):
    """Takes requests and never answers."""

    def __init__(self) -> None:
        self.lives = 0

    async def converse(self, ear: Any, conversation: Conversation) -> None:
        self.lives += 1
        async for _ in conversation.requests():
            pass


async def test_a_model_that_gives_no_sound_is_late_and_is_started_again() -> None:
    model = _Deaf()
    async with on_call(None, s2s=model, s2s_timeout=1.0) as tried:
        await tried.say("able")
        await tried.heard(ErrorEvent)
        await tried.until(lambda: tried.session.agent_state == "listening")
        assert codes(tried) == [("s2s", "stream_timeout")]
        await tried.until(lambda: model.lives == 2)
        assert tried.session.stats()["s2s_restarts"] == 1


async def test_a_model_that_dies_over_a_question_is_asked_it_again() -> None:
    dropped = ComponentError("the line is gone", component="s2s", code="network_error")
    model = FakeSpeechToSpeech([[dropped], "zero"], transcribes=False)
    async with on_call(None, s2s=model) as tried:
        await tried.say("able bake")
        await tried.agent_heard("zero")
        assert codes(tried) == [("s2s", "network_error")]

    assert model.lives == 2
    assert model.heard == [["able", "bake"], ["able", "bake"]]  # the next one hears what the first one had heard
    assert tried.session.stats()["s2s_restarts"] == 1


async def test_a_model_that_dies_in_the_middle_of_an_answer_has_said_what_it_has() -> None:
    model = FakeSpeechToSpeech([["gold", RuntimeError("gone")], "zero"])
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        await tried.until(lambda: tried.session.agent_state == "listening")
        assert codes(tried) == [("s2s", "internal_error")]
        await tried.say("bake")
        await tried.agent_heard("zero")
        await tried.until(lambda: len(tried.session.history) == 4)

    assert tried.agent_words == ["gold", "zero"]


async def test_a_model_that_dies_again_and_again_is_started_again_and_told_of_each_time() -> None:
    gone = ComponentError("gone", component="s2s", code="network_error")
    model = FakeSpeechToSpeech(["zero"], failures={0: gone, 1: gone, 2: gone})
    async with on_call(None, s2s=model) as tried:
        await tried.heard(ErrorEvent, nth=3)
        await tried.until(lambda: model.lives == 4)
        await tried.say("able")
        await tried.agent_heard("zero")

    assert codes(tried) == [("s2s", "network_error")] * 3
