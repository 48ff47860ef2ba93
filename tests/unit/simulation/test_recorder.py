from __future__ import annotations

import asyncio
import io
import wave
from typing import TYPE_CHECKING, Any

import numpy as np

from beluga_voice.simulation.recorder import Recorder, stereo_wav
from beluga_voice.simulation.track import Track

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CAPACITY = 8_000


class FakeCall:
    """Two rings, of which the newest samples can be read: sample k has the value k % 1000."""

    output_hz = 24_000

    def __init__(self) -> None:
        self.closed = False
        self.written = {"ear": 0, "out": 0}

    def read_ear(self, start: int, max_samples: int) -> tuple[bytes, int, int]:
        return self._read("ear", start, max_samples)

    def read_output(self, start: int, max_samples: int) -> tuple[bytes, int, int]:
        return self._read("out", start, max_samples)

    def _read(self, ring: str, start: int, max_samples: int) -> tuple[bytes, int, int]:
        first = max(start, self.written[ring] - CAPACITY)
        samples = np.arange(first, min(first + max_samples, self.written[ring])) % 1_000
        return samples.astype("<i2").tobytes(), first, first - start


class FakeLink:
    def __init__(self) -> None:
        self.call = FakeCall()
        self.grown = asyncio.Event()
        self.readers = 0

    def ear_reader(self) -> object:
        self.readers += 1
        return object()

    output_reader = ear_reader

    def release(self, _: object) -> None:
        self.readers -= 1

    async def heard(self, _: object, position: int) -> None:
        await self.grown.wait()

    sent = heard

    async def grow(self, seconds: float, *, close: bool = False) -> None:
        self.call.written["ear"] += round(16_000 * seconds)
        self.call.written["out"] += round(24_000 * seconds)
        self.call.closed = close
        self.grown.set()
        self.grown.clear()
        for _ in range(5):  # what waits looks again, and waits again
            await asyncio.sleep(0)


async def recorded(*seconds: float) -> tuple[Recorder, FakeLink]:
    link: Any = FakeLink()
    recorder = Recorder(link)
    recorder.start()
    await asyncio.sleep(0)
    for step in seconds:
        await link.grow(step)
    await link.grow(0.0, close=True)
    await recorder.finish()
    return recorder, link


async def test_it_has_every_sample_of_both_sides_from_the_first_to_the_last() -> None:
    recorder, link = await recorded(0.2, 0.21, 0.05)
    for track, hz in ((recorder.caller, 16_000), (recorder.agent, 24_000)):
        samples = np.frombuffer(track.pcm, dtype="<i2")
        assert len(samples) == round(0.46 * hz)
        assert np.array_equal(samples, np.arange(len(samples)) % 1_000)
    assert recorder.lost_samples == 0
    assert link.readers == 0


async def test_what_was_overwritten_is_silence_counted_and_moves_nothing() -> None:
    recorder, _ = await recorded(0.1, 1.0)
    samples = np.frombuffer(recorder.caller.pcm, dtype="<i2")
    assert recorder.lost_samples > 0
    assert not samples[1_600 : 17_600 - CAPACITY].any()
    assert np.array_equal(samples[-CAPACITY:], np.arange(17_600 - CAPACITY, 17_600) % 1_000)


def click(hz: int, at_s: float, length_s: float) -> Track:
    samples = np.zeros(round(hz * length_s), dtype="<i2")
    # Smooth, so that both rates can hold it: its middle is what is looked for.
    span = np.arange(-hz // 200, hz // 200 + 1)
    samples[round(at_s * hz) + span] = (20_000 * np.cos(np.pi * span / len(span)) ** 2).astype("<i2")
    track = Track(hz)
    track.put_at(0, samples.tobytes())
    return track


def channels(wav: bytes) -> NDArray[np.int16]:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (24_000, 2)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, file.getnchannels())


def test_the_caller_is_left_the_agent_right_and_one_moment_is_one_sample(tmp_path: Path) -> None:
    both = channels(stereo_wav(click(16_000, 0.5, 2.0), click(24_000, 0.5, 2.0)))
    assert both.shape == (48_000, 2)
    left, right = both.T
    assert abs(int(np.argmax(left)) - 12_000) <= 1
    assert int(np.argmax(right)) == 12_000
    assert np.abs(left.astype(int) - right).max() < 200
    both = channels(stereo_wav(click(16_000, 0.5, 1.0), click(24_000, 1.5, 2.0)))
    assert int(np.argmax(both[:, 1])) == 36_000
    assert not both[24_000:, 0].any()
