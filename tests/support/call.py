"""A call to try: a session on a `LocalCall` whose caller is the test, with all that was said, heard and told kept."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import pytest

from beluga_voice import LocalCall, VoiceSession
from beluga_voice.errors import SessionError
from beluga_voice.events import SessionEvent
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken, understood, voiced_runs
from support.components import EAR_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from numpy.typing import NDArray

    from beluga_voice.telemetry import Telemetry

OUT_HZ = 24_000
CALLER_HZ = 16_000
PATIENCE_S = 20.0
"""A test that waits longer than this has failed."""

E = TypeVar("E", bound=SessionEvent)


def turn_handling(
    *, min_delay: float = 0.3, min_duration: float = 0.2, **interruption: Any
) -> dict[str, dict[str, Any]]:
    """Quick turns, so that a test takes seconds."""
    return {
        "endpointing": {"min_delay": min_delay},
        "interruption": {"min_duration": min_duration, **interruption},
    }


class TriedCall:
    """See the module; made by `on_call`."""

    def __init__(self, session: VoiceSession, call: LocalCall, stt: Any, tts: Any) -> None:
        self.session = session
        self.call = call
        self.stt = stt
        self.tts = tts
        self.events: list[SessionEvent] = []
        self.agent_sound: NDArray[np.int16] = np.zeros(0, np.int16)
        self.caller_sound: NDArray[np.int16] = np.zeros(0, np.int16)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # -- the caller -----------------------------------------------------------------------------------------------

    async def say(self, text: str) -> None:
        """The caller says tone words, all but the last second of which was heard when this returns."""
        await self.call.write(spoken(text, self.call.sample_rate))

    async def play(self, sound: NDArray[np.int16]) -> None:
        """The caller's line carries this sound."""
        await self.call.write(sound)

    @property
    def agent_words(self) -> list[str]:
        """What the caller has heard from the agent so far."""
        return understood(self.agent_sound, self.call.output_sample_rate)

    @property
    def caller_onsets_s(self) -> list[float]:
        """Where the caller began to sound, in session time, read from his sound itself."""
        return [start / EAR_HZ for start, _ in voiced_runs(self.caller_sound, EAR_HZ, gap_s=0.2)]

    # -- waiting --------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until that is so; looked at after each event and each piece of sound."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def heard(self, kind: type[E], which: Callable[[E], bool] = lambda _: True, *, nth: int = 1) -> E:
        """The `nth` event of a kind for which `which` is so, now or later."""
        try:
            await self.until(lambda: len(self.all(kind, which)) >= nth)
        except TimeoutError:
            told = "\n".join(f"{event.at_s:7.2f} {event}" for event in self.events)
            raise AssertionError(f"no {kind.__name__} number {nth}; there were:\n{told}") from None
        return self.all(kind, which)[nth - 1]

    def all(self, kind: type[E], which: Callable[[E], bool] = lambda _: True) -> list[E]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind) and which(event)]

    async def agent_heard(self, *words: str) -> None:
        """Until the caller has heard the agent say these words, one after another."""
        wanted = list(words)
        await self.until(
            lambda: any(
                self.agent_words[start : start + len(wanted)] == wanted for start in range(len(self.agent_words))
            )
        )

    async def session_time(self, at_s: float) -> None:
        """Until the call has lasted that long."""
        await self.until(lambda: len(self.caller_sound) >= at_s * EAR_HZ)

    @property
    def now_s(self) -> float:
        """How long the call has lasted."""
        return self.session.link.call.ear_written / EAR_HZ

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _watch(self, events: Any) -> None:
        async for event in events:
            self.events.append(event)
            self._changed.set()

    async def _listen(self) -> None:
        pieces: list[NDArray[np.int16]] = []
        while (chunk := await self.call.read(0.05)) is not None:
            assert round(chunk.start_s * chunk.sample_rate) == len(self.agent_sound), "the caller's ear lost sound"
            pieces.append(chunk.samples)
            self.agent_sound = np.concatenate([self.agent_sound, chunk.samples])
            self._changed.set()

    async def _overhear(self) -> None:
        link = self.session.link
        reader = link.ear_reader()
        try:
            while True:
                position = len(self.caller_sound)
                while link.call.ear_written < position + 800 and not link.call.closed:
                    await link.heard(reader, position + 800)
                pcm, start, _ = link.call.read_ear(position, 16_000)
                if not pcm:
                    return
                gap = np.zeros(start - position, np.int16)
                self.caller_sound = np.concatenate([self.caller_sound, gap, np.frombuffer(pcm, np.int16)])
                self._changed.set()
        finally:
            link.release(reader)

    async def begin(self) -> Self:
        self._tasks.append(asyncio.create_task(self._watch(self.session.events())))
        await self.session.start(self.call)
        self._tasks.append(asyncio.create_task(self._listen()))
        self._tasks.append(asyncio.create_task(self._overhear()))
        return self

    async def end(self) -> None:
        await self.session.aclose()
        await asyncio.wait_for(asyncio.gather(*self._tasks), PATIENCE_S)


@asynccontextmanager
async def on_call(
    agent: Any,
    *,
    stt: Any = None,
    tts: Any = None,
    call: LocalCall | None = None,
    handling: dict[str, Any] | None = None,
    vad: Any = "energy",
    session: VoiceSession | None = None,
    telemetry: Telemetry | None = None,
    **options: Any,
) -> AsyncGenerator[TriedCall]:
    """A session under way, watched by `telemetry`. What no session may ever do is checked at its end."""
    if options.get("s2s") is None or stt is not None:
        stt = stt if stt is not None else FakeSpeechToText()
        tts = tts if tts is not None else FakeTextToSpeech()
        options |= {"stt": stt, "tts": tts}
    session = session or VoiceSession(
        agent=agent,
        vad=vad,
        turn_handling=handling if handling is not None else turn_handling(),
        **options,
    )
    if telemetry is not None:
        telemetry.watch(session, "local")
    call = call or LocalCall(sample_rate=CALLER_HZ, output_sample_rate=OUT_HZ)
    tried = TriedCall(session, call, stt, tts)
    before = asyncio.all_tasks()
    try:
        yield await tried.begin()
    finally:
        await tried.end()
    stats = session.stats()
    for name in ("illegal_transitions", "events_dropped", "commands_refused"):
        assert stats[name] == 0, f"{name} = {stats[name]}"
    left = asyncio.all_tasks() - before
    assert not left, f"tasks left behind: {left}"


async def refuses_after_close(tried: TriedCall) -> None:
    """What a session that is over says to whoever goes on using it."""
    with pytest.raises(SessionError) as refused:
        await tried.say("able")
    assert refused.value.code == "session_not_active"
