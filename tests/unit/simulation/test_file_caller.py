from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from beluga_voice import _core
from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.errors import AudioFormatError
from beluga_voice.simulation.file_caller import FileCaller, WavFile

if TYPE_CHECKING:
    from pathlib import Path


def wav(path: Path, samples: list[int], *, sample_rate: int = 8_000, channels: int = 1) -> Path:
    pcm = np.array(samples, dtype="<i2").tobytes()
    path.write_bytes(_core.write_wav(pcm, sample_rate=sample_rate, channels=channels))
    return path


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 44_100, 48_000])
def test_any_rate_is_taken_as_it_is(tmp_path: Path, sample_rate: int) -> None:
    file = WavFile(wav(tmp_path / "a.wav", [1, 2, 3], sample_rate=sample_rate))
    assert file.sample_rate == sample_rate
    assert np.frombuffer(file.pcm, dtype="<i2").tolist() == [1, 2, 3]


def test_two_channels_are_one_caller(tmp_path: Path) -> None:
    file = WavFile(wav(tmp_path / "a.wav", [10, 20, -8, -4], channels=2))
    assert np.frombuffer(file.pcm, dtype="<i2").tolist() == [15, -6]


def test_a_file_without_sound_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match=r"a\.wav: the file holds no sound"):
        WavFile(wav(tmp_path / "a.wav", []))


def test_a_file_that_is_no_wav_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFFnonsense")
    with pytest.raises(AudioFormatError, match=r"a\.wav: "):
        WavFile(tmp_path / "a.wav")


class FakeCall:
    """Silence from an agent that hangs up after `until_s`."""

    def __init__(self, until_s: float = 1_000.0) -> None:
        self.heard = bytearray()
        self.at_s = 0.0
        self._until_s = until_s

    async def read(self, duration: float) -> AudioChunk | None:
        if self.at_s >= self._until_s:
            return None
        self.at_s += duration
        return AudioChunk(bytes(2 * round(24_000 * duration)), 24_000, self.at_s - duration)

    async def write(self, pcm: bytes) -> None:
        self.heard += pcm


async def test_the_whole_file_is_played_and_silence_after_it(tmp_path: Path) -> None:
    samples = list(range(1, 4_001))
    call = FakeCall()
    caller = FileCaller(WavFile(wav(tmp_path / "a.wav", samples)), settled=lambda: True, quiet_s=1.0)
    await caller.talk(call)
    heard = np.frombuffer(bytes(call.heard), dtype="<i2")
    assert heard[:4_000].tolist() == samples
    assert not heard[4_000:].any()
    assert len(heard) == pytest.approx(8_000 * 1.5, abs=800)
    assert caller.outcome == "done"


async def test_it_stays_until_the_agent_has_finished(tmp_path: Path) -> None:
    call = FakeCall()
    caller = FileCaller(
        WavFile(wav(tmp_path / "a.wav", [1] * 800)), settled=lambda: call.at_s > 9.0, quiet_s=1.0, patience_s=60.0
    )
    await caller.talk(call)
    assert call.at_s == pytest.approx(10.0, abs=0.1)
    assert caller.outcome == "done"


async def test_it_does_not_stay_for_ever(tmp_path: Path) -> None:
    call = FakeCall()
    caller = FileCaller(WavFile(wav(tmp_path / "a.wav", [1] * 800)), settled=lambda: False, patience_s=5.0)
    await caller.talk(call)
    assert call.at_s < 5.3
    assert caller.outcome == "unfinished"


async def test_it_is_told_when_the_agent_hangs_up(tmp_path: Path) -> None:
    caller = FileCaller(WavFile(wav(tmp_path / "a.wav", [1] * 800)), settled=lambda: False)
    await caller.talk(FakeCall(until_s=2.0))
    assert caller.outcome == "hung_up_on"
