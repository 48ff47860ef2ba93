"""A recogniser that fails costs a turn at most, is told by a code, and the call goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.answering import back_to_listening, codes, fails_and_goes_on, still_answers
from support.call import on_call

from beluga_voice.errors import ComponentError
from beluga_voice.events import AgentStateChanged, ErrorEvent, PlayoutFinished, UserInputTranscribed
from beluga_voice.pipeline import restarts
from beluga_voice.speech_to_text import Transcript
from beluga_voice.testing import FakeSpeechToText
from beluga_voice.testing.tone_words import silence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.call import TriedCall

    from beluga_voice import Turn
    from beluga_voice.handles import Ear


# How long what heeds no cancellation goes on if its test fails, in seconds.
UNHEEDING_S = 20.0


async def agent(turn: Turn) -> str:
    return "zero"


def texts(tried: TriedCall) -> list[str]:
    return [item.text for item in tried.session.history]


class FailsAtFirst(FakeSpeechToText):
    """The first `times` streams raise in the middle of a turn, after a first word was guessed if `interim_results`."""

    def __init__(self, *, times: int, interim_results: bool, error: Exception) -> None:
        super().__init__(interim_results=interim_results)
        self._times = times
        self._error = error

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        failing = self.streams < self._times
        async for transcript in super().stream(ear):
            if failing and (transcript.is_final or transcript.text):
                if not transcript.is_final:
                    yield transcript
                raise self._error
            yield transcript


async def test_a_recogniser_that_fails_in_the_middle_of_a_turn_hears_it_again() -> None:
    async with on_call(
        agent, stt=FailsAtFirst(times=1, interim_results=True, error=ConnectionResetError("gone"))
    ) as tried:
        await tried.say("able calm dark")
        failed = await tried.heard(ErrorEvent)
        await tried.agent_heard("zero")
        await back_to_listening(tried)
        await still_answers(tried)

    assert (failed.source, failed.error.code, failed.error.provider) == ("stt", "internal_error", "FailsAtFirst")
    assert "ConnectionResetError: gone" in failed.error.message
    assert tried.stt.streams == 2
    assert texts(tried) == ["able calm dark", "zero", "bake", "zero"], "nothing that he said is lost"


@pytest.mark.parametrize("code", ["network_error", "rate_limit", "stream_error"])
async def test_what_a_recogniser_says_of_its_own_failure_is_told(code: str) -> None:
    error = ComponentError("no words today", component="stt", code=code, provider="vendor")
    async with on_call(agent, stt=FailsAtFirst(times=1, interim_results=False, error=error)) as tried:
        await tried.say("able")
        failed = await tried.heard(ErrorEvent)
        await tried.agent_heard("zero")

    assert codes(tried) == [("stt", code)]
    assert (failed.error.message, failed.error.provider) == ("no words today", "vendor")


@pytest.mark.parametrize("guesses", [True, False])
async def test_a_turn_over_which_recognisers_fail_twice_is_what_was_guessed_of_it(guesses: bool) -> None:
    async with on_call(agent, stt=FailsAtFirst(times=2, interim_results=guesses, error=OSError("gone"))) as tried:
        await tried.say("able calm")
        await tried.heard(ErrorEvent, nth=2)
        await back_to_listening(tried)
        await still_answers(tried)

    assert codes(tried) == [("stt", "internal_error")] * 2
    assert texts(tried) == [*(["able", "zero"] if guesses else []), "bake", "zero"]


async def test_a_recogniser_that_cannot_connect_at_first_loses_no_turn() -> None:
    began = asyncio.Event()

    class Late(FakeSpeechToText):
        failed = False

        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            if not self.failed:
                await began.wait()
                self.failed = True
                raise ComponentError("busy", component="stt", code="network_error")
            async for transcript in super().stream(ear):
                yield transcript

    async with on_call(agent, stt=Late()) as tried:
        await tried.say("able bake")
        began.set()
        failed = await tried.heard(ErrorEvent)
        await tried.agent_heard("zero")

    assert (failed.error.code, failed.error.provider) == ("network_error", "Late")
    assert texts(tried)[0] == "able bake"


async def test_a_recogniser_whose_stream_ends_is_started_again() -> None:
    class Short(FakeSpeechToText):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            async for transcript in super().stream(ear):
                yield transcript
                if transcript.is_final and self.streams == 1:
                    return

    async with on_call(agent, stt=Short()) as tried:
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        await back_to_listening(tried)
        await still_answers(tried)

    assert codes(tried) == [("stt", "stream_closed")]


async def test_a_recogniser_that_fails_all_the_time_does_not_take_the_machine() -> None:
    class Dead(FakeSpeechToText):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            self.streams += 1
            yield Transcript("able", is_final=False)
            raise OSError("no network")

    async with on_call(agent, stt=Dead()) as tried:
        await tried.session_time(2.0)

    assert 3 <= tried.stt.streams <= 4, "at once, after 0.2 s, after a second, then every three"


@pytest.mark.parametrize("guesses", [True, False])
async def test_a_recogniser_that_stalls_in_the_middle_of_a_turn(guesses: bool) -> None:
    async def on_turn(turn_id: int) -> None:
        if turn_id == 1:
            await asyncio.Event().wait()

    stt = FakeSpeechToText(before_final=on_turn, interim_results=guesses)
    async with on_call(agent, stt=stt, transcript_timeout=0.5) as tried:
        failed = await fails_and_goes_on(tried)

    assert (failed.source, failed.error.code, failed.error.provider) == ("stt", "stream_timeout", "FakeSpeechToText")
    assert failed.error.details == {"turn_id": 1}
    assert texts(tried) == [*(["able", "zero"] if guesses else []), "bake", "zero"]
    finals = [event.transcript for event in tried.all(UserInputTranscribed, lambda event: event.is_final)]
    assert finals == [*(["able"] if guesses else []), "bake"]


async def test_a_recogniser_that_stalls_and_heeds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "_GRACE_S", 0.1)
    release = asyncio.Event()

    async def on_turn(turn_id: int) -> None:
        while turn_id == 1 and not release.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(release.wait(), UNHEEDING_S)
                return

    stt = FakeSpeechToText(before_final=on_turn, interim_results=False)
    async with on_call(agent, stt=stt, transcript_timeout=0.5) as tried:
        await tried.say("able")
        await back_to_listening(tried)
        await still_answers(tried)
        release.set()
        await tried.session_time(tried.now_s + 0.3)

    assert codes(tried) == [("stt", "stream_timeout")]
    assert texts(tried) == ["bake", "zero"], "what it says when it wakes up is not heeded"


async def test_a_recogniser_that_trickles() -> None:
    class Trickling(FakeSpeechToText):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            async for transcript in super().stream(ear):
                while transcript.is_final and transcript.turn_id == 1:
                    await asyncio.sleep(0.1)
                    yield Transcript("able", is_final=False, turn_id=1)
                yield transcript

    async with on_call(agent, stt=Trickling(), transcript_timeout=0.5) as tried:
        await tried.say("able")
        await tried.heard(ErrorEvent)
        await back_to_listening(tried)
        await still_answers(tried)

    assert codes(tried) == [("stt", "stream_timeout")]
    assert texts(tried) == ["able", "zero", "bake", "zero"]


async def test_a_recogniser_with_ten_thousand_guesses_a_second() -> None:
    class Chattering(FakeSpeechToText):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            async for transcript in super().stream(ear):
                if transcript.is_final and transcript.turn_id == 1:
                    for number in range(10_000):
                        yield Transcript(f"able {number}", is_final=False, turn_id=1)
                yield transcript

    async with on_call(agent, stt=Chattering()) as tried:
        await tried.say("able")
        await tried.agent_heard("zero")
        await back_to_listening(tried)
        await still_answers(tried)

    assert not codes(tried)
    told = len(tried.all(UserInputTranscribed, lambda event: not event.is_final))
    assert 50 <= told < 1_000
    assert tried.session.stats()["guesses_skipped"] > 9_000
    assert tried.session.stats()["session_events_dropped"] == 0, "what else was told is still there"


@pytest.mark.parametrize("is_final", [True, False])
async def test_a_recogniser_that_sends_ten_megabytes_in_mid_turn(is_final: bool) -> None:
    class Flooding(FakeSpeechToText):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            async for transcript in super().stream(ear):
                if self.streams == 1:
                    yield Transcript("able " * 2_000_000, is_final=is_final, turn_id=transcript.turn_id)
                yield transcript

    async with on_call(agent, stt=Flooding()) as tried:
        await tried.say("able calm")
        failed = await tried.heard(ErrorEvent)
        await tried.agent_heard("zero")
        await back_to_listening(tried)
        await still_answers(tried)

    assert codes(tried) == [("stt", "malformed_response")]
    assert len(failed.error.message) < 200
    assert texts(tried) == ["able calm", "zero", "bake", "zero"]


NONSENSE: list[Any] = [
    "words",
    None,
    Transcript(None, is_final=True, turn_id=1),  # type: ignore[arg-type]
    Transcript(b"able", is_final=True, turn_id=1),  # type: ignore[arg-type]
    Transcript("able", is_final="yes", turn_id=1),  # type: ignore[arg-type]
    Transcript("able", is_final=True, turn_id="1"),  # type: ignore[arg-type]
    Transcript("able", is_final=True, turn_id=1, confidence=float("nan")),
    Transcript("able", is_final=True, turn_id=1, confidence=7.0),
    Transcript("able", is_final=True, turn_id=1, language=5),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=str)
async def test_a_recogniser_that_says_nonsense(nonsense: Any) -> None:
    class Confused(FakeSpeechToText):
        async def stream(self, ear: Ear) -> AsyncIterator[Any]:
            async for transcript in super().stream(ear):
                yield nonsense if self.streams == 1 else transcript

    async with on_call(agent, stt=Confused()) as tried:
        await tried.say("able")
        await tried.heard(ErrorEvent)
        await tried.agent_heard("zero")

    assert codes(tried) == [("stt", "invalid_response")]
    assert texts(tried)[0] == "able"


async def test_words_for_a_turn_that_there_never_was_answer_nothing() -> None:
    class Dreaming(FakeSpeechToText):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            yield Transcript("fish", is_final=True)
            yield Transcript("fish", is_final=True, turn_id=77)
            async for transcript in super().stream(ear):
                yield transcript

    async with on_call(agent, stt=Dreaming()) as tried:
        await still_answers(tried)

    assert not codes(tried)
    assert texts(tried) == ["bake", "zero"]


async def test_a_transcript_with_control_characters_is_answered_without_them() -> None:
    class Dirty(FakeSpeechToText):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            async for transcript in super().stream(ear):
                yield Transcript(
                    f"\x00{transcript.text}\ud800", is_final=transcript.is_final, turn_id=transcript.turn_id
                )

    asked: list[str] = []

    async def noting(turn: Turn) -> str:
        asked.append(turn.text)
        return "zero"

    async with on_call(noting, stt=Dirty()) as tried:
        await tried.say("able")
        await tried.agent_heard("zero")

    assert asked == ["able\ufffd"]


async def test_turns_that_a_recogniser_is_too_far_behind_for_are_given_up_at_once() -> None:
    release = asyncio.Event()

    async def on_turn(turn_id: int) -> None:
        await release.wait()

    stt = FakeSpeechToText(before_final=on_turn, interim_results=False)
    async with on_call(agent, stt=stt, transcript_timeout=60.0) as tried:
        for _ in range(10):
            await tried.say("able")
            await tried.play(silence(0.5, 16_000))
        failed = await tried.heard(ErrorEvent)
        release.set()
        await tried.agent_heard("zero")

    assert codes(tried)[0] == ("stt", "stream_timeout")
    assert failed.error.details == {"turn_id": 2}, "one is being heard, eight wait, the oldest of those gives way"
    assert tried.session.stats()["turns_given_up"] == len(codes(tried))


async def test_an_unanswerable_turn_leaves_the_agent_listening() -> None:
    async def on_turn(turn_id: int) -> None:
        raise ComponentError("no credit", component="stt", code="quota_exceeded")

    async with on_call(agent, stt=FakeSpeechToText(before_final=on_turn, interim_results=False)) as tried:
        await tried.say("able")
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "thinking")

    assert codes(tried)[:2] == [("stt", "quota_exceeded")] * 2
    assert texts(tried) == []
