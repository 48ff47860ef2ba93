"""The calls of bench-telemetry, and the ways to tell of them: the same calls on the virtual clock each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import numpy as np

from beluga_voice import LocalCall, TokensUsed, ToolFinished, ToolStarted, Turn, VoiceSession
from beluga_voice.commands import Command
from beluga_voice.errors import SessionError
from load.instant_components import VOICE_HZ, InstantEars, InstantVoice

__all__ = ["WAYS", "calls"]

CALLER_HZ = 16_000
FRAME_S = 0.1
# A turn of the caller every four seconds, as long as the agent's answer: 40 % of talk.
PERIOD_S = 4.0
SAID_S = 1.6
ANSWER_MS = 1_600
# How often metrics are collected, as Prometheus would: seconds.
SCRAPE_S = 15.0
HANDLING = {"endpointing": {"min_delay": 0.3}, "interruption": {"min_duration": 0.3}}


async def agent(turn: Turn) -> AsyncIterator[str | Command]:
    """An answer with a tool and tokens in it: two events more than most have."""
    yield ToolStarted("look_up", call_id="1")
    yield ToolFinished("look_up", result=1, call_id="1")
    yield TokensUsed(200, 50, model="small", provider="example")
    yield str(ANSWER_MS)


def frames() -> list[bytes]:
    """One period of a caller: a loud tone, then silence."""
    samples = np.arange(round(SAID_S * CALLER_HZ))
    tone = (8_000 * np.sin(2 * np.pi * 220 * samples / CALLER_HZ)).astype("<i2")
    whole = np.zeros(round(PERIOD_S * CALLER_HZ), "<i2")
    whole[: len(tone)] = tone
    size = round(FRAME_S * CALLER_HZ)
    return [whole[start : start + size].tobytes() for start in range(0, len(whole), size)]


async def call(watch: Callable[[VoiceSession], None], sound: list[bytes], seconds: float, late_s: float) -> None:
    """One call. They begin one after another, as calls do."""
    await asyncio.sleep(late_s)
    session = VoiceSession(
        agent=agent, stt=InstantEars(), tts=InstantVoice(lambda: None), vad="energy", turn_handling=HANDLING
    )
    watch(session)
    line = LocalCall(sample_rate=CALLER_HZ, output_sample_rate=VOICE_HZ)
    async with session:
        await session.start(line)
        with suppress(SessionError):
            for number in range(round(seconds / FRAME_S)):
                await line.write(sound[number % len(sound)])


async def calls(watch: Callable[[VoiceSession], None], collect: Callable[[], None], n: int, seconds: float) -> float:
    """CPU seconds of this process for `n` calls, from the first one's start to the last one's end."""
    sound = frames()
    began = time.process_time()
    talking = asyncio.gather(*(call(watch, sound, seconds, PERIOD_S * place / n) for place in range(n)))
    while not talking.done():
        await asyncio.wait({talking}, timeout=SCRAPE_S)
        collect()
    await talking
    return time.process_time() - began


def _off() -> tuple[Callable[[VoiceSession], None], Callable[[], None]]:
    return (lambda session: None), (lambda: None)


def _metrics(*, traces: bool) -> tuple[Callable[[VoiceSession], None], Callable[[], None]]:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    from beluga_voice.telemetry import Telemetry

    class Nowhere(SpanExporter):
        """What the wire and its other end cost is theirs."""

        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    reader = InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Nowhere()))
    telemetry = Telemetry(metrics=True, traces=traces, meter_provider=MeterProvider([reader]), tracer_provider=tracers)
    return (lambda session: telemetry.watch(session, "local")), (lambda: void(reader.get_metrics_data()))


def _board() -> tuple[Callable[[VoiceSession], None], Callable[[], None]]:
    from beluga_voice.telemetry import Telemetry

    telemetry = Telemetry(dashboard={})
    return (lambda session: telemetry.watch(session, "local")), (
        lambda: void(telemetry.board and telemetry.board.shown())
    )


def void(_: object) -> None:
    """Lets go of it."""


WAYS: dict[str, Callable[[], tuple[Callable[[VoiceSession], None], Callable[[], None]]]] = {
    "off": _off,
    "metrics": lambda: _metrics(traces=False),
    "metrics+traces": lambda: _metrics(traces=True),
    "dashboard": _board,
}
