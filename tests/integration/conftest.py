"""Real components: Piper's voice as the caller, and a check that the event loop goes on while they work."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from beluga_voice.audio_chunk import AudioChunk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16000
CHUNK_SAMPLES = 1600


class FakeUtterance:
    """A turn whose sound is there already; `gate` holds it back from the given chunk on."""

    def __init__(self, turn_id: int, samples: NDArray[np.int16], *, start_s: float = 0.0) -> None:
        self.turn_id = turn_id
        self.start_s = start_s
        self._samples = samples
        self.gate: asyncio.Event | None = None
        self.gate_at = 0

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        for number, first in enumerate(range(0, len(self._samples), CHUNK_SAMPLES)):
            if self.gate is not None and number == self.gate_at:
                await self.gate.wait()
            pcm = self._samples[first : first + CHUNK_SAMPLES].tobytes()
            yield AudioChunk(pcm, SAMPLE_RATE_HZ, self.start_s + first / SAMPLE_RATE_HZ)


class FakeEar:
    sample_rate = SAMPLE_RATE_HZ

    def __init__(self, *utterances: FakeUtterance) -> None:
        self._left = list(utterances)

    async def read(self, duration: float) -> AudioChunk | None:
        return None

    async def utterances(self) -> AsyncIterator[FakeUtterance]:
        while self._left:
            yield self._left.pop(0)


class FakeMouth:
    """Keeps what is written; `gate` is a queue that is full."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.writes: list[NDArray[np.int16]] = []
        self.sample_rates: set[int] = set()
        self.full = asyncio.Event()
        self._gate = gate

    async def write(self, pcm: Any, *, sample_rate: int) -> None:
        self.writes.append(np.frombuffer(pcm, dtype="<i2"))
        self.sample_rates.add(sample_rate)
        if self._gate is not None:
            self.full.set()
            await self._gate.wait()

    def mark(self, name: str) -> None: ...

    def flush(self) -> None: ...

    @property
    def samples(self) -> NDArray[np.int16]:
        return np.concatenate([np.zeros(0, dtype=np.int16), *self.writes])


@dataclass
class LoopUse:
    """What a piece of work cost the event loop's thread."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    longest_gap_s: float = 0.0


@asynccontextmanager
async def loop_use() -> AsyncGenerator[LoopUse]:
    """Lets a ticker run beside the work within."""
    use = LoopUse()

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            use.longest_gap_s = max(use.longest_gap_s, now - last)
            last = now

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)
    wall, cpu = time.monotonic(), time.thread_time()
    try:
        yield use
    finally:
        use.wall_s, use.cpu_s = time.monotonic() - wall, time.thread_time() - cpu
        ticker.cancel()
        await asyncio.wait({ticker})


def room(seconds: float, seed: int = 0) -> NDArray[np.int16]:
    """Light noise, as in a quiet room."""
    noise = np.random.default_rng(seed).normal(0, 20, int(seconds * SAMPLE_RATE_HZ))
    return noise.astype(np.int16)


@pytest.fixture(scope="session")
def spoken() -> dict[str, NDArray[np.int16]]:
    """Sentences as a caller says them: 16 kHz, light noise, 0.5 s before and 0.3 s after."""
    from beluga_voice.components.tts.piper import Piper

    async def speak(text: str) -> FakeMouth:
        mouth = FakeMouth()
        await Piper().synthesize(text, mouth)
        return mouth

    result: dict[str, NDArray[np.int16]] = {}
    for number, text in enumerate(SENTENCES):
        mouth = asyncio.run(speak(text))
        (rate_hz,) = mouth.sample_rates
        sound = mouth.samples.astype(np.float64) * 0.5
        # Low-pass below 8 kHz before every sample is taken anew between two of the old ones.
        taps = np.sinc(2 * 7400 / rate_hz * np.arange(-60, 61)) * np.hanning(121)
        sound = np.convolve(sound, taps / taps.sum(), mode="same")
        places = np.arange(int(len(sound) * SAMPLE_RATE_HZ / rate_hz)) * rate_hz / SAMPLE_RATE_HZ
        sound = np.interp(places, np.arange(len(sound)), sound)
        whole = np.concatenate([np.zeros(8000), sound, np.zeros(4800)])
        result[text] = (whole + room(len(whole) / SAMPLE_RATE_HZ, seed=number)[: len(whole)]).astype(np.int16)
    return result


SENTENCES = (
    "rice is often served in round bowls",
    "the boy was there when the sun rose",
    "what time is it in paris right now",
    "please tell me about the weather in london",
)
