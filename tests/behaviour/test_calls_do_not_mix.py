"""Two calls at once in one process, and objects that serve one call only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.call import on_call

from beluga_voice import LocalCall, VoiceSession, share
from beluga_voice.errors import AgentError, ConfigError
from beluga_voice.events import UserInputTranscribed
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn

TALK = {
    "left": (("able bake", "gold hand iron"), ("calm", "jump")),
    "right": (("dark echo fish", "kite lamp milk"), ("belt", "nest")),
}


async def test_two_sessions_never_mix_sound_or_text() -> None:
    async def one(side: str) -> None:
        answers = dict(TALK[side])

        async def agent(turn: Turn) -> str:
            return answers[turn.text]

        async with on_call(agent) as tried:
            for question, answer in TALK[side]:
                await tried.say(question)
                await tried.agent_heard(*answer.split())
        said = " ".join(answer for _, answer in TALK[side]).split()
        assert tried.agent_words == said
        finals = [event.transcript for event in tried.all(UserInputTranscribed, lambda event: event.is_final)]
        assert finals == [question for question, _ in TALK[side]]

    # All tasks are looked at by each: the later one to end sees those of neither.
    outcomes = await asyncio.gather(one("left"), one("right"), return_exceptions=True)
    mixed = [each for each in outcomes if each is not None and "tasks left behind" not in str(each)]
    assert not mixed


async def test_an_object_serves_one_session() -> None:
    class Agent:
        async def respond(self, turn: Turn) -> str:
            return "zero"

    agent, stt, tts = Agent(), FakeSpeechToText(), FakeTextToSpeech()
    async with on_call(agent, stt=stt, tts=tts):
        pass
    for second in (
        VoiceSession(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy"),
        VoiceSession(agent=Agent, stt=stt, tts=FakeTextToSpeech, vad="energy"),
        VoiceSession(agent=Agent, stt=FakeSpeechToText, tts=tts, vad="energy"),
    ):
        with pytest.raises((AgentError, ConfigError), match="serves another session"):
            await second.start(LocalCall())
        assert second.state == "error"


async def test_what_is_shared_serves_all() -> None:
    class Agent:
        asked = 0

        async def respond(self, turn: Turn) -> str:
            self.asked += 1
            return "zero"

    agent = Agent()
    for _ in range(2):
        async with on_call(share(agent)) as tried:
            await tried.say("able")
            await tried.agent_heard("zero")
    assert agent.asked == 2


async def test_a_call_carries_one_session() -> None:
    async def agent(turn: Turn) -> str:
        return "zero"

    async with on_call(agent) as tried:
        second = VoiceSession(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy")
        with pytest.raises(Exception, match="has had its session") as refused:
            await second.start(tried.call)
        assert getattr(refused.value, "code", "") == "session_already_active"
        await tried.say("able")
        await tried.agent_heard("zero")
