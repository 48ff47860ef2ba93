"""Whatever comes in as sound has a defined result, and the call goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.answering import codes, still_answers
from support.call import CALLER_HZ, on_call
from support.wav_forms import wav_file
from typer.testing import CliRunner

from beluga_voice.cli.app import app
from beluga_voice.errors import AudioFormatError
from beluga_voice.events import UserTurnStarted
from beluga_voice.simulation.simulate import simulate
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import noise, spoken

if TYPE_CHECKING:
    from pathlib import Path

    from beluga_voice import Turn

SECOND = np.ones(CALLER_HZ, np.float64)


async def agent(turn: Turn) -> str:
    return "zero"


WRONG_SOUND: dict[str, Any] = {
    "float64": np.zeros(160),
    "NaN": np.full(160, np.nan),
    "uint16": np.zeros(160, np.uint16),
    "big-endian": np.zeros(160, ">i2"),
    "three channels": np.zeros((160, 3), np.int16),
    "one number": np.int16(1),
    "odd bytes": bytes(321),
    "text": "able",
    "nothing": None,
    "a list": [0] * 160,
}


@pytest.mark.parametrize("wrong", WRONG_SOUND.values(), ids=WRONG_SOUND)
async def test_what_is_no_sound_is_refused_where_it_enters(wrong: Any) -> None:
    async with on_call(agent) as tried:
        with pytest.raises(AudioFormatError, match=r"allowed: .*int16") as refused:
            await tried.call.write(wrong)
        await still_answers(tried)

    assert refused.value.code == "invalid_format"
    assert not codes(tried)


UNSPOKEN = {
    "an empty piece": SECOND[:0],
    "silence": SECOND * 0,
    "the faintest noise": np.sign(np.sin(np.arange(CALLER_HZ))),
    "a constant": SECOND * 40,
}


@pytest.mark.parametrize("sound", UNSPOKEN.values(), ids=UNSPOKEN)
async def test_sound_without_a_voice_in_it_is_no_turn(sound: np.ndarray[Any, Any]) -> None:
    async with on_call(agent) as tried:
        await tried.play(sound.astype(np.int16))
        await tried.play(np.zeros(CALLER_HZ, np.int16))
        assert not tried.all(UserTurnStarted)
        await still_answers(tried)

    assert [item.text for item in tried.session.history] == ["bake", "zero"]
    assert not codes(tried)


LOUD = {
    "a constant at full scale": SECOND * 32_767,
    "its opposite": SECOND * -32_768,
    "a square at full scale": np.where(np.arange(CALLER_HZ) // 40 % 2, 32_767.0, -32_768.0),
    "a click": np.where(np.arange(CALLER_HZ) == 8_000, 32_767.0, 0.0),
    "noise": noise(1.0, CALLER_HZ).astype(np.float64),
}


@pytest.mark.parametrize("sound", LOUD.values(), ids=LOUD)
async def test_loud_sound_without_words_is_answered_by_nothing(sound: np.ndarray[Any, Any]) -> None:
    async with on_call(agent) as tried:
        await tried.play(sound.astype(np.int16))
        await tried.play(np.zeros(CALLER_HZ, np.int16))
        await still_answers(tried)

    assert [item.text for item in tried.session.history] == ["bake", "zero"]
    assert not codes(tried)


async def test_a_clipped_voice_on_a_constant_is_still_understood() -> None:
    voice = spoken("able calm", CALLER_HZ).astype(int)
    clipped = np.clip(20 * voice + np.where(voice, 2_000, 0), -32_768, 32_767)
    async with on_call(agent) as tried:
        await tried.play(clipped.astype(np.int16))
        await tried.agent_heard("zero")
        await tried.until(lambda: len(tried.session.history) == 2)
        await still_answers(tried)

    assert tried.session.history[0].text == "able calm"


FILES = {
    "telephone": {"form": "mu-law", "rate_hz": 8_000},
    "studio": {"form": "24 bit", "rate_hz": 96_000, "channels": 2, "extensible": True},
    "float": {"form": "float 32", "rate_hz": 44_100},
    "old": {"form": "8 bit", "rate_hz": 11_025},
}


@pytest.mark.parametrize("options", FILES.values(), ids=FILES)
async def test_a_recorded_caller_is_answered_whatever_the_form_of_the_file(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    content = wav_file(spoken("able bake", options["rate_hz"]), **options)
    (tmp_path / "a.wav").write_bytes(content[:-1])  # cut short
    played = await simulate(
        tmp_path / "a.wav", agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy", patience_s=8.0
    )
    assert played.caller.outcome == "done"
    assert [turn.heard for turn in played.record.log.turns] == ["able bake"]
    assert not played.record.log.errors


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.mp3", b"ID3\4\0" + bytes(200), "a.mp3: no WAV file: it is MP3 (invalid_format)"),
        ("a.wav", b"", "a.wav: no WAV file: it is empty (invalid_format)"),
        ("a.wav", b"OggS\0\2" + bytes(200), "a.wav: no WAV file: it is Ogg (invalid_format)"),
        ("a.txt", b"Hello!\n", "a.txt: no WAV file: it is text (invalid_format)"),
        ("a.wav", wav_file(np.zeros(0, np.int16)), "a.wav: the file holds no sound (invalid_format)"),
        ("none.wav", None, "none.wav: No such file or directory (os_error)"),
        ("", None, ": Is a directory (os_error)"),
    ],
)
def test_a_file_that_cannot_be_played_is_told_in_two_lines(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    (tmp_path / "mine.py").write_text("def agent(turn):\n    return ''\n")
    asked = ["simulate", str(path), "--agent", f"{tmp_path}/mine.py:agent", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*asked, "--vad", "energy"])
    assert result.exit_code == 1
    first, second = result.stderr.strip().splitlines()
    assert first.startswith("error: ")
    assert first.endswith(told)
    assert second.startswith("   do: ")
    assert not (tmp_path / "out").exists()
