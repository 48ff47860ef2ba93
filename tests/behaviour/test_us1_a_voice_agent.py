"""US1: an agent on a call, in real time, with nothing to be put together by hand.

In rooms of a real server, heard at the caller's: tests/integration/livekit/test_a_call_in_a_room.py and
test_calls_in_rooms_do_not_mix.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.answering import codes
from support.call import on_call, turn_handling

from beluga_voice import LocalCall, SessionConfig, get_registry
from beluga_voice.events import ConversationItemAdded, Interruption, PlayoutFinished, PlayoutStarted
from beluga_voice.testing import Answered, FakeAgent, FakeSpeechToText, FakeTextToSpeech, Say, ScriptedCaller, TalkOver
from beluga_voice.testing.tone_words import silence

if TYPE_CHECKING:
    from beluga_voice import Turn, VoiceBackend


async def echo(turn: Turn) -> str:
    return " ".join([turn.text] * 6)


async def test_us1_1_what_is_said_is_transcribed_answered_and_played_back_within_half_a_second() -> None:
    """US1.1: recogniser, agent and voice take 50 ms each, silence counts for 0.2 s; what is left is ours. On a machine:
    `make bench-share`."""
    agent = FakeAgent(["gold hand"], delay=0.05)
    async with on_call(
        agent,
        stt=FakeSpeechToText(delay=0.05),
        tts=FakeTextToSpeech(delay=0.05),
        vad={"provider": "energy", "min_silence_duration": 0.15},
        handling=turn_handling(min_delay=0.2),
    ) as tried:
        await tried.say("able bake")
        answer = await tried.heard(ConversationItemAdded, lambda event: event.item.role == "assistant")
        await tried.agent_heard("gold", "hand")
    assert [turn.text for turn in agent.turns] == ["able bake"]
    assert answer.metrics["e2e_latency"] <= 0.5
    assert codes(tried) == []


async def test_us1_2_a_pause_for_as_long_as_was_set_ends_the_turn_and_all_of_it_is_processed() -> None:
    """US1.2: shorter pauses within it end nothing, and no word before them is lost."""
    agent = FakeAgent(["gold"])
    async with on_call(agent, handling=turn_handling(min_delay=1.0)) as tried:
        await tried.say("able bake")
        await tried.play(silence(0.5, tried.call.sample_rate))
        await tried.say("calm dark")
        await tried.play(silence(0.5, tried.call.sample_rate))
        assert agent.turns == []
        await tried.say("echo")
        await tried.agent_heard("gold")
    (turn,) = agent.turns
    assert turn.text == "able bake calm dark echo"
    voiced_end_s = turn.ended_at_s
    answered_at_s = tried.all(PlayoutStarted)[0].at_s
    assert 1.0 <= answered_at_s - voiced_end_s <= 1.2


async def test_us1_3_talking_over_an_answer_stops_it_and_what_was_said_is_answered_instead() -> None:
    """US1.3."""
    long_answer = " ".join(["gold"] * 20)
    agent = FakeAgent([long_answer, "hand"])
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.say("bake calm")
        over = await tried.heard(Interruption)
        await tried.heard(PlayoutFinished)
        await tried.agent_heard("hand")
    heard = tried.agent_words
    assert heard.count("gold") < 10
    assert heard[-1] == "hand"
    assert [turn.text for turn in agent.turns] == ["able", "bake calm"]
    assert agent.turns[1].history[-1].interrupted
    assert over.at_s < tried.all(PlayoutFinished)[0].at_s + 0.1


async def test_us1_4_callers_of_one_backend_are_heard_and_answered_each_for_himself() -> None:
    """US1.4: three talk at the same time, one of them over his answer."""
    backend: VoiceBackend = get_registry().create(
        "local", {"vad": "energy", "turn_handling": turn_handling(), "stt": FakeSpeechToText, "tts": FakeTextToSpeech}
    )
    scripts = {
        "ada": [Say("able"), Answered(), Say("bake"), Answered()],
        "bob": [Say("calm"), TalkOver("dark nest", after=0.3), Answered()],
        "cid": [Say("echo"), Answered(), Say("fish"), Answered()],
    }

    async def conversation(name: str) -> tuple[ScriptedCaller, list[str]]:
        call, caller = LocalCall(), ScriptedCaller(scripts[name])
        await backend.ring(call, user_id=name)  # type: ignore[attr-defined]
        session = await backend.answer(SessionConfig(agent=echo, user_id=name))
        assert session.user_id == name
        await caller.talk(call)
        await backend.close_session(session.id)
        return caller, [message.text for message in session.history if message.role == "user"]

    told = dict(zip(scripts, await asyncio.gather(*map(conversation, scripts)), strict=True))
    assert {name: asked for name, (_, asked) in told.items()} == {
        "ada": ["able", "bake"],
        "bob": ["calm", "dark nest"],
        "cid": ["echo", "fish"],
    }
    assert told["ada"][0].heard_words == ["able"] * 6 + ["bake"] * 6
    assert set(told["bob"][0].heard_words) <= {"calm", "dark", "nest"}
    assert told["bob"][0].heard_words[-12:] == ["dark", "nest"] * 6
    assert told["bob"][0].heard_words.count("calm") < 6
    assert backend.get_active_session_count() == 0
    await backend.aclose()
