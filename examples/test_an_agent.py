"""An agent's test on virtual time: a call of several seconds takes a moment. `pytest examples/test_an_agent.py`"""

from __future__ import annotations

from beluga_voice import LocalCall, Turn, VoiceSession
from beluga_voice.testing import Answered, FakeSpeechToText, FakeTextToSpeech, Say, ScriptedCaller, run


async def agent(turn: Turn) -> str:
    """What is tested."""
    return "gold hand" if turn.text == "able bake" else "iron"


def test_it_answers() -> None:
    """He asks twice, and hears both answers."""

    async def main() -> None:
        session = VoiceSession(agent=agent, stt=FakeSpeechToText(delay=0.2), tts=FakeTextToSpeech(), vad="energy")
        call = LocalCall()
        caller = ScriptedCaller([Say("able bake"), Answered(), Say("calm"), Answered()])
        async with session:
            await session.start(call)
            await caller.talk(call)
        assert caller.heard_words == ["gold", "hand", "iron"]
        assert [item.text for item in session.history] == ["able bake", "gold hand", "calm", "iron"]

    run(main())
