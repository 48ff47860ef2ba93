"""What components took for their work, and what a call used and cost (design.md 5: usage and cost per call)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.call import on_call

from beluga_voice import Prices, TokensUsed, ToolFinished, ToolStarted
from beluga_voice.errors import ConfigError
from beluga_voice.events import CloseEvent, ConversationItemAdded, MetricsCollected
from beluga_voice.metrics import LLMMetrics, RealtimeModelMetrics, STTMetrics, TTSMetrics
from beluga_voice.testing import FakeSpeechToSpeech, FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice import Turn
    from beluga_voice.commands import Command

PRICES = {
    "currency": "EUR",
    "call_minute": 0.01,
    "stt_minute": {"*": 0.006},
    "tts_million_characters": {"FakeTextToSpeech": 15.0, "*": 99.0},
    "input_million_tokens": {"tiny": 1.0},
    "input_cached_million_tokens": {"tiny": 0.1},
    "output_million_tokens": {"*": 4.0},
}


async def counting(turn: Turn) -> AsyncIterator[str | Command]:
    yield TokensUsed(input_tokens=100, input_cached_tokens=40, output_tokens=0, model="tiny", provider="acme")
    yield "gold hand. "
    yield TokensUsed(output_tokens=25, model="tiny", provider="acme")
    yield "iron."


async def test_each_component_tells_what_its_work_took() -> None:
    async with on_call(counting) as tried:
        await tried.say("able bake")
        await tried.agent_heard("gold", "hand", "iron")
        await tried.heard(ConversationItemAdded, nth=2)
    told = [event.metrics for event in tried.all(MetricsCollected)]
    (stt,) = [each for each in told if isinstance(each, STTMetrics)]
    assert (stt.label, stt.turn_id, stt.error) == ("FakeSpeechToText", 1, None)
    # A word of 0.21 s and a tone of 0.14 s, and the silence that ended the turn.
    assert 0.6 < stt.audio_duration < 1.3
    (llm,) = [each for each in told if isinstance(each, LLMMetrics)]
    assert (llm.prompt_tokens, llm.completion_tokens) == (100, 25)
    assert (llm.model, llm.provider, llm.cancelled, llm.error) == ("tiny", "acme", False, None)
    assert llm.ttft is not None
    assert 0 <= llm.ttft <= llm.duration
    sentences = [each for each in told if isinstance(each, TTSMetrics)]
    assert sum(each.characters_count for each in sentences) == len("gold hand. iron.")
    assert {each.turn_id for each in sentences} == {1}
    assert sum(each.audio_duration for each in sentences) == pytest.approx(3 * 0.21, abs=0.01)
    assert all(each.ttfb is not None and 0 <= each.ttfb <= each.duration for each in sentences)


async def test_a_call_tells_what_it_used_and_what_that_cost() -> None:
    async with on_call(counting, prices=PRICES) as tried:
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)
        so_far = tried.session.usage()
    (closed,) = tried.all(CloseEvent)
    usage = closed.usage
    assert usage is not None
    assert usage == tried.session.usage()
    assert 0 < so_far.call_seconds <= usage.call_seconds
    assert usage.tts_characters == len("gold hand. iron.")
    assert usage.tts_seconds == pytest.approx(3 * 0.21, abs=0.01)
    stt = next(event.metrics for event in tried.all(MetricsCollected) if isinstance(event.metrics, STTMetrics))
    assert usage.stt_seconds == pytest.approx(stt.audio_duration, abs=0.011)
    (tokens,) = usage.tokens
    assert (tokens.input_tokens, tokens.input_cached_tokens, tokens.output_tokens) == (100, 40, 25)
    expected = (
        usage.call_seconds / 60 * 0.01
        + usage.stt_seconds / 60 * 0.006
        + usage.tts_characters / 1e6 * 15
        + (60 * 1.0 + 40 * 0.1 + 25 * 4.0) / 1e6
    )
    assert usage.cost == pytest.approx(expected)
    assert usage.currency == "EUR"


async def test_a_model_of_speech_is_counted_for_what_it_hears_and_says() -> None:
    prices = {"stt_minute": {"FakeSpeechToSpeech": 0.6}, "output_million_tokens": {"*": 4.0}}
    model = FakeSpeechToSpeech([["gold", TokensUsed(output_tokens=25, model="tiny"), "hand"]])
    async with on_call(None, s2s=model, prices=prices) as tried:
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)
    (reply,) = [event.metrics for event in tried.all(MetricsCollected)]
    assert isinstance(reply, RealtimeModelMetrics)
    assert (reply.label, reply.turn_id, reply.cancelled, reply.error) == ("FakeSpeechToSpeech", 1, False, None)
    assert reply.audio_duration == pytest.approx(2 * 0.21, abs=0.01)
    assert reply.ttft is not None
    assert 0 <= reply.ttft <= reply.duration
    usage = tried.session.usage()
    assert (usage.stt, usage.tts, usage.tts_seconds) == (reply.label, reply.label, reply.audio_duration)
    assert 0.6 < usage.stt_seconds < 1.3
    assert usage.cost == pytest.approx(usage.stt_seconds / 60 * 0.6 + 25 * 4.0 / 1e6)


async def test_an_agent_before_a_model_of_speech_is_measured_too() -> None:
    async with on_call(counting, s2s=FakeSpeechToSpeech(["gold"])) as tried:
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)
    told = [event.metrics for event in tried.all(MetricsCollected)]
    assert [type(each) for each in told] == [LLMMetrics, RealtimeModelMetrics]
    assert tried.session.usage().tokens[0].output_tokens == 25


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (["gold hand iron jump kite", "zero"], [(True, None), (False, None)]),
        ([["gold", b"odd", "hand"], "zero"], [(False, "invalid_audio_format"), (False, None)]),
        ([["gold", OSError("gone")], "zero"], [(False, "internal_error"), (False, None)]),
    ],
    ids=["cut off", "no sound", "dies"],
)
async def test_of_a_models_reply_it_is_told_how_it_ended(replies: Any, expected: Any) -> None:
    model = FakeSpeechToSpeech(replies, word_delay=0.3)
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.say("calm dark echo fish")
        await tried.agent_heard("zero")
    told = [event.metrics for event in tried.all(MetricsCollected)]
    replied = [each for each in told if isinstance(each, RealtimeModelMetrics)]
    assert [(each.cancelled, each.error) for each in replied] == expected
    assert sum(each.audio_duration for each in replied) == pytest.approx(tried.session.usage().tts_seconds)


async def test_without_prices_there_is_usage_and_no_cost() -> None:
    async with on_call(counting) as tried:
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)
    assert tried.session.usage().cost is None


def test_a_price_below_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stt_minute\.acme = -1\.0: allowed"):
        Prices(stt_minute={"acme": -1.0})


async def test_what_was_cut_off_is_told_as_cut_off_and_counts_as_handed_over() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        if turn.text != "able":
            yield "Zero."
            return
        yield "gold hand iron jump kite lamp milk nest open pink. "
        await asyncio.Event().wait()

    async def slow(word: str) -> None:
        if word == "kite":
            await asyncio.Event().wait()

    async with on_call(agent, tts=FakeTextToSpeech(before_word=slow)) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        await tried.say("calm dark echo fish")
        await tried.agent_heard("zero")
    told = [event.metrics for event in tried.all(MetricsCollected)]
    llm = [each for each in told if isinstance(each, LLMMetrics)]
    assert [each.cancelled for each in llm] == [True, False]
    tts = [each for each in told if isinstance(each, TTSMetrics)]
    assert [each.cancelled for each in tts] == [True, False]
    assert tts[0].characters_count > 40
    assert tried.session.usage().tts_characters == sum(each.characters_count for each in tts)


async def test_failures_are_told_by_their_codes() -> None:
    async def agent(turn: Turn) -> str:
        if turn.text == "able":
            raise ValueError("no")
        return "gold"

    class Mute(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: object) -> None:
            raise OSError("gone")

    async with on_call(agent, tts=Mute(), stt=FakeSpeechToText()) as tried:
        await tried.say("able")
        await tried.heard(MetricsCollected, lambda event: isinstance(event.metrics, LLMMetrics))
        await tried.say("bake")
        await tried.heard(MetricsCollected, lambda event: isinstance(event.metrics, TTSMetrics))
    told = [event.metrics for event in tried.all(MetricsCollected)]
    assert [each.error for each in told if isinstance(each, LLMMetrics)] == ["agent_error", None]
    assert [each.error for each in told if isinstance(each, TTSMetrics)] == ["internal_error"]


async def test_a_tool_between_two_words_of_tokens_is_told_as_ever() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        yield ToolStarted("clock")
        yield TokensUsed(1, 2)
        yield ToolFinished("clock", result=12)
        yield "Zero."

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.heard(ConversationItemAdded, nth=2)
    (tokens,) = tried.session.usage().tokens
    assert (tokens.model, tokens.input_tokens, tokens.output_tokens) == ("", 1, 2)
