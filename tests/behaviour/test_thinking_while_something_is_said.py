"""Who thinks keeps nobody from being heard, and is not kept from thinking; what he says is heard in its turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.call import on_call, turn_handling

from beluga_voice.events import PlayoutFinished, PlayoutStarted
from beluga_voice.testing import FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn

KEPT = turn_handling(discard_audio_if_uninterruptible=False)
NOTICE = "gold hand iron jump kite lamp milk nest open pink quiz rose"


async def test_the_agent_is_asked_while_a_speech_that_must_be_heard_is_still_being_made() -> None:
    asked = asyncio.Event()

    async def on_word(word: str) -> None:
        if word == "rose":
            await asked.wait()

    async def agent(turn: Turn) -> str:
        asked.set()
        return "zero"

    async with on_call(agent, tts=FakeTextToSpeech(before_word=on_word), handling=KEPT) as tried:
        notice = tried.session.say(NOTICE, allow_interruptions=False)
        await tried.heard(PlayoutStarted)
        await tried.say("able")
        await asked.wait()
        assert not notice.done()
        await tried.heard(PlayoutFinished, nth=2)

    assert tried.agent_words == [*NOTICE.split(), "zero"]
    assert [item.text for item in tried.session.history] == ["able", NOTICE, "zero"]


async def test_what_is_said_while_the_agent_thinks_is_heard_at_once() -> None:
    go_on = asyncio.Event()

    async def agent(turn: Turn) -> str:
        await go_on.wait()
        return "zero"

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.until(lambda: tried.session.agent_state == "thinking")
        await tried.session.say("gold hand")
        go_on.set()
        await tried.agent_heard("gold", "hand", "zero")


async def test_an_agent_may_wait_until_what_it_has_said_was_heard() -> None:
    async def agent(turn: Turn) -> str:
        await tried.session.say("gold hand")
        return "zero"

    async with on_call(agent, timeout=5.0) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand", "zero")

    assert not [event for event in tried.events if event.type == "error"]
