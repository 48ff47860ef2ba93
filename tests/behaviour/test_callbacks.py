"""`session.on`: whatever a callback is and does, the call goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.call import on_call

from beluga_voice.errors import ConfigError
from beluga_voice.events import CloseEvent, ErrorEvent, PlayoutFinished, UserTurnEnded, UserTurnStarted

if TYPE_CHECKING:
    from beluga_voice import Turn


async def agent(turn: Turn) -> str:
    return "gold"


async def test_functions_and_coroutine_functions_are_called_with_the_event() -> None:
    plain: list[UserTurnStarted] = []
    waited: list[UserTurnEnded] = []
    async with on_call(agent) as tried:
        tried.session.on("user_turn_started", plain.append)

        @tried.session.on("user_turn_ended")
        async def ended(event: UserTurnEnded) -> None:
            await asyncio.sleep(0)
            waited.append(event)

        await tried.say("able")
        await tried.heard(PlayoutFinished)
        tried.session.off("user_turn_started", plain.append)
        await tried.say("bake")
        await tried.heard(PlayoutFinished, nth=2)

    assert plain == tried.all(UserTurnStarted)[:1]
    assert waited == tried.all(UserTurnEnded)


async def test_a_callback_that_raises_harms_nobody() -> None:
    told: list[ErrorEvent] = []
    async with on_call(agent) as tried:
        tried.session.on("error", told.append)

        @tried.session.on("user_turn_started")
        def raises(event: UserTurnStarted) -> None:
            raise LookupError("first")

        @tried.session.on("user_turn_ended")
        async def raises_later(event: UserTurnEnded) -> None:
            await asyncio.sleep(0)
            raise LookupError("second")

        await tried.say("able")
        await tried.agent_heard("gold")

    assert [event.source for event in told] == ["session", "session"]
    assert ["first" in told[0].error.message, "second" in told[1].error.message] == [True, True]
    assert all(event.error.code == "invalid_state" for event in told)


async def test_a_callback_of_errors_that_raises_is_not_asked_about_itself() -> None:
    asked = 0

    async with on_call(agent) as tried:

        @tried.session.on("error")
        async def raises(event: ErrorEvent) -> None:
            nonlocal asked
            asked += 1
            raise LookupError("again")

        @tried.session.on("user_turn_started")
        def begins(event: UserTurnStarted) -> None:
            raise LookupError("first")

        await tried.say("able")
        await tried.agent_heard("gold")

    assert asked == 1
    assert len(tried.all(ErrorEvent)) == 2


async def test_an_unknown_event_is_refused_with_the_known_ones() -> None:
    async with on_call(agent) as tried:
        with pytest.raises(ConfigError, match="no event 'user_turn_begun': allowed: agent_false_interruption, "):
            tried.session.on("user_turn_begun", print)


async def test_a_callback_of_the_end_is_run_to_its_end() -> None:
    ended: list[str] = []
    async with on_call(agent) as tried:

        @tried.session.on("close")
        async def closed(event: CloseEvent) -> None:
            await asyncio.sleep(0.05)
            ended.append(event.reason)

    assert ended == ["user_initiated"]


async def test_a_callback_may_end_the_call() -> None:
    async with on_call(agent) as tried:

        @tried.session.on("user_turn_ended")
        async def enough(event: UserTurnEnded) -> None:
            await tried.session.aclose()

        await tried.say("able")
        async with asyncio.timeout(10):
            await tried.session.wait_closed()

    assert tried.session.state == "ended"


async def test_events_are_kept_from_the_moment_they_are_asked_for() -> None:
    async with on_call(agent) as tried:
        events = tried.session.events()
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        first = await anext(events)
        assert first.type in ("agent_state_changed", "user_state_changed")
