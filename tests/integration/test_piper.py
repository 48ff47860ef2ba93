from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from beluga_voice.components.tts import piper as piper_module
from beluga_voice.components.tts.piper import Piper, PiperOptions
from beluga_voice.errors import ComponentError, ConfigError
from beluga_voice.registry import resolve
from beluga_voice.worker_pool import WorkerPool

from .conftest import FakeMouth, loop_use

if TYPE_CHECKING:
    from pathlib import Path


LONG = "the quick brown fox jumps over the lazy dog while the small pup gnaws a hole in the sock and " * 3


async def spoken(text: str, **options: object) -> FakeMouth:
    mouth = FakeMouth()
    component = resolve("tts", {"provider": "piper", **options}).create()
    await component.start()
    await component.synthesize(text, mouth)
    await component.aclose()
    return mouth


async def test_it_speaks_sentence_by_sentence() -> None:
    mouth = await spoken("Rice is often served in round bowls. The boy was there when the sun rose.")
    assert mouth.sample_rates == {22050}
    assert len(mouth.writes) == 2
    for sound in mouth.writes:
        assert 1.0 < len(sound) / 22050 < 5.0
        assert np.abs(sound.astype(int)).max() > 10_000


@pytest.mark.parametrize("text", ["", "  \n", "...", "—!?"])
async def test_nothing_to_pronounce_is_no_sound(text: str) -> None:
    assert (await spoken(text)).writes == []


async def test_pace_and_volume_reach_the_voice() -> None:
    text = "Rice is often served in round bowls."
    slow = await spoken(text, speaking_rate=0.5)
    fast = await spoken(text, speaking_rate=2.0)
    quiet = await spoken(text, volume=0.25)
    # Four times as long, give or take: the model draws the length of each sound by chance.
    assert 2.0 < len(slow.samples) / len(fast.samples) < 8.0
    peak = np.abs(quiet.samples.astype(int)).max()
    assert peak == pytest.approx(32767 * 0.25, rel=0.01)


async def test_a_voice_is_loaded_once_for_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    made: list[int] = []
    real = onnxruntime.InferenceSession

    def counted(path: str, settings: onnxruntime.SessionOptions, **rest: object) -> object:
        made.append(settings.intra_op_num_threads)
        return real(path, settings, **rest)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counted)
    monkeypatch.setattr(piper_module, "_voices", piper_module._Voices())
    mouths = await asyncio.gather(*(spoken(f"Hello number {number}.") for number in range(6)))
    assert made == [1]
    assert all(len(mouth.samples) > 5000 for mouth in mouths)


async def test_an_interruption_ends_it_between_sentences() -> None:
    mouth = FakeMouth(gate=asyncio.Event())
    speaking = asyncio.create_task(Piper().synthesize("One sentence. " * 5, mouth))
    await mouth.full.wait()
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    assert len(mouth.writes) == 1
    assert len((await spoken("And on it goes.")).samples) > 5000


async def test_the_loop_ticks_on_while_it_speaks() -> None:
    component = Piper()
    await component.start()
    mouth = FakeMouth()
    async with loop_use() as use:
        await component.synthesize(LONG, mouth)
    assert use.wall_s > 0.5
    assert use.longest_gap_s < 0.5
    # Seconds of computing, none of them here.
    assert use.cpu_s < 0.25 * use.wall_s + 0.1


async def test_too_much_to_speak_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    await Piper().start()
    monkeypatch.setattr(piper_module, "_pool", WorkerPool(1, waiting=0))
    results = await asyncio.gather(
        *(Piper().synthesize("Hello there.", FakeMouth()) for _ in range(3)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, ComponentError)]
    assert {error.code for error in refused} == {"quota_exceeded"}


def test_a_voice_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tts\.piper\.voice = '.*none\.onnx': allowed: an \.onnx file"):
        resolve("tts", f"piper/{tmp_path}/none.onnx")
    with pytest.raises(ConfigError, match=r"tts\.piper\.speaking_rate = 9: allowed: a number from 0\.25 to 4\.0"):
        resolve("tts", {"provider": "piper", "speaking_rate": 9})


async def test_a_damaged_voice_is_reported(tmp_path: Path) -> None:
    voice = tmp_path / "voice.onnx"
    voice.write_bytes(b"nonsense")
    good = piper_module._voice_path(PiperOptions())
    shutil.copy(piper_module._description_of(good), tmp_path / "voice.onnx.json")
    component = resolve("tts", f"piper/{voice}").create()
    with pytest.raises(ComponentError) as caught:
        await component.start()
    assert caught.value.code == "invalid_voice"
