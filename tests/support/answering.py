"""The question of every test of a failure: what was told, and does the call go on?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beluga_voice.events import AgentStateChanged, ErrorEvent, Interruption, PlayoutFinished

if TYPE_CHECKING:
    from support.call import TriedCall

__all__ = ["back_to_listening", "codes", "fails_and_goes_on", "still_answers", "talk_over"]


def codes(tried: TriedCall) -> list[tuple[str, str]]:
    """Source and code of each error that was told."""
    return [(event.source, event.error.code) for event in tried.all(ErrorEvent)]


async def back_to_listening(tried: TriedCall, *, nth: int = 1) -> None:
    """Until the agent has been busy and listens again, the `nth` time."""

    def done(event: AgentStateChanged) -> bool:
        return event.old_state in ("thinking", "speaking") and event.new_state == "listening"

    await tried.heard(AgentStateChanged, done, nth=nth)


async def talk_over(tried: TriedCall) -> None:
    """The caller has heard enough of what is being said, and hears the answer to what he says instead."""
    finished = len(tried.all(PlayoutFinished))
    await tried.say("calm dark echo")
    await tried.heard(Interruption)
    await tried.heard(PlayoutFinished, nth=finished + 2)


async def still_answers(tried: TriedCall, question: str = "bake", answer: str = "zero") -> None:
    """The next question is understood and answered, and both are on record."""
    await tried.say(question)
    await tried.agent_heard(answer)

    def answered() -> bool:
        history: list[Any] = [(item.role, item.text) for item in tried.session.history[-2:]]
        return history == [("user", question), ("assistant", answer)]

    await tried.until(answered)
    assert tried.session.state == "active"


async def fails_and_goes_on(tried: TriedCall) -> ErrorEvent:
    """The answer to "able" fails, and the call goes on; what was told of the failure."""
    await tried.say("able")
    failed = await tried.heard(ErrorEvent)
    await back_to_listening(tried)
    await still_answers(tried)
    return failed
