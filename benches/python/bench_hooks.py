"""What hooks cost: an operation of a backend, and the sound and the tools of a call, without them and with.

Both are measured in turns within one run, so that a machine that drifts drifts for both: read the ratio.

- `operation`: open a session and close it again on the local backend, nothing configured against an auth hook and a
  rate limiter.
- `admit`: the same question alone. `bucket`: a token taken from memory.
- `chunk`: 100 ms of sound handed to a recogniser, without processors and with one that does nothing.
- `tools`: an agent's answer of 20 pieces and one tool, without a hook and with one.
- `redact`: a sentence of a transcript, with nothing in it.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from beluga_voice import AudioChunk, BackendConfig, SessionConfig, ToolFinished, ToolStarted, Turn, get_registry
from beluga_voice.agent import AgentHost
from beluga_voice.hooks import AudioProcessor, AuthHook, AuthResult, PersonalDataRedactor, TokenBucket, ToolHook
from beluga_voice.hooks.admission import Admission
from beluga_voice.hooks.audio_processor import processor_factories
from beluga_voice.hooks.tool_gate import ToolGate
from beluga_voice.hooks.tool_hook import ToolCall
from beluga_voice.pipeline.processing import Processing
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from bench_result import QUICK, print_table, write_result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from beluga_voice.hooks import Stage

Row = dict[str, Any]
Work = Callable[[], Awaitable[object]]

ROUNDS = 9 if QUICK else 41
SENTENCE = "I would like to know whether you are open on Sunday, and until when that is."


class Everybody(AuthHook):
    async def authenticate(self, token: str, metadata: Mapping[str, Any]) -> AuthResult:
        return AuthResult(user_id="alice")

    async def authorize(self, user_id: str, operation: str) -> bool:
        return True


class Nothing(AudioProcessor):
    def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
        return chunk


async def talker(turn: Turn) -> AsyncIterator[Any]:
    for _ in range(10):
        yield "word "
    yield ToolStarted("weather", {"city": "Paris"})
    yield ToolFinished("weather", result="rain")
    for _ in range(10):
        yield "word "


async def timed_us(work: Work, times: int) -> float:
    """Microseconds of one of `times`."""
    began = time.perf_counter()
    for _ in range(times):
        await work()
    return (time.perf_counter() - began) / times * 1e6


async def compared(what: str, off: Work | None, on: Work, *, times: int) -> Row:
    """Off and on in turns. `ratio` is the median of those of each round."""
    rounds = [
        (await timed_us(off, times) if off is not None else None, await timed_us(on, times)) for _ in range(ROUNDS)
    ]
    off_us = [each for each, _ in rounds if each is not None]
    on_us = [each for _, each in rounds]
    ratios = [on_round / off_round for off_round, on_round in rounds if off_round]
    return {
        "what": what,
        "n": times * ROUNDS,
        "us_off": round(statistics.median(off_us), 2) if off_us else None,
        "us_on": round(statistics.median(on_us), 2),
        "us_added": round(statistics.median(on - off for off, on in rounds if off is not None), 2) if off_us else None,
        "ratio": round(statistics.median(ratios), 3) if ratios else None,
    }


def opened_and_closed(**hooks: Any) -> tuple[Work, Any]:
    settings: dict[str, Any] = {"vad": "energy", "stt": FakeSpeechToText, "tts": FakeTextToSpeech, **hooks}
    backend = get_registry().create("local", BackendConfig(max_concurrent_sessions=0, **settings))
    config = SessionConfig(agent=talker, user_id="alice" if hooks["rate_limiter"] else None)

    async def work() -> None:
        session = await backend.create_session(config)
        await session.aclose()

    return work, backend


async def chunks(processors: list[Any]) -> tuple[Work, Processing]:
    processing = Processing(processor_factories(processors), timeout_s=0.1)
    chunk = AudioChunk(bytes(3_200), 16_000)
    return (lambda: processing.run(chunk, "pre_stt")), processing


def answers(hook: ToolHook | None) -> Work:
    def call_of(started: ToolStarted) -> ToolCall:
        return ToolCall(name=started.name, arguments=started.arguments)

    gate = ToolGate(hook, call_of, timeout_s=5.0) if hook is not None else None
    host = AgentHost(talker, tools=gate)
    turn = Turn(text="hello")

    async def work() -> None:
        async for _ in host.run(turn):
            pass

    return work


async def measured() -> list[Row]:
    rows: list[Row] = []
    much = {"requests_per_second": 1e6, "burst": 1_000_000}
    off, without = opened_and_closed(rate_limiter=None)
    on, with_hooks = opened_and_closed(rate_limiter=much, auth_hook=Everybody)
    rows.append(await compared("operation", off, on, times=50))
    await without.aclose()
    await with_hooks.aclose()

    bucket = TokenBucket(requests_per_second=1e6, burst=1_000_000)
    free, asked = Admission("local"), Admission("local", auth=Everybody(), limiters=[bucket])

    async def admitted(admission: Admission) -> None:
        async with admission.operation("close_session", user_id="alice"):
            pass

    rows.append(await compared("admit", lambda: admitted(free), lambda: admitted(asked), times=200))
    rows.append(await compared("bucket", None, lambda: bucket.allow("alice"), times=2_000))

    (plain, none), (processed, one) = await chunks([]), await chunks([Nothing])
    rows.append(await compared("chunk", plain, processed, times=200))
    await none.aclose()
    await one.aclose()
    rows.append(await compared("tools", answers(None), answers(ToolHook()), times=50))

    redactor = PersonalDataRedactor()

    async def redacted() -> None:
        redactor.redact(SENTENCE)

    rows.append(await compared("redact", None, redacted, times=500))
    return rows


def main() -> None:
    rows = asyncio.run(measured())
    print_table(rows)
    write_result("hooks", rows)


if __name__ == "__main__":
    main()
