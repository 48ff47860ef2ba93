"""What LiveKit tests judge sound by finds a gap, a wrong tone and a leak, each where it was put."""

from __future__ import annotations

import numpy as np
import pytest
from support.heard import Heard, tone_hz

from beluga_voice import _core
from beluga_voice.testing import tone_words

HZ = 16_000


def heard(samples: np.ndarray, *, from_s: float = 100.0) -> Heard:
    size = HZ // 100
    whole = samples[: len(samples) // size * size].astype(np.int16)
    return Heard(whole, HZ, from_s + 0.01 * np.arange(len(whole) // size))


def tone(hz: float, seconds: float, peak: float = 6_000.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * HZ)) / HZ) * peak


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * HZ))


def test_a_sound_begins_and_ends_where_it_was_put() -> None:
    found = heard(np.concatenate([silence(0.503), tone(440, 0.4), silence(0.3)]))
    assert found.first_sound_s(100.0) == pytest.approx(100.503, abs=0.001)
    assert found.last_sound_s(100.0) == pytest.approx(100.903, abs=0.001)
    assert found.first_sound_s(101.0) is None


def test_a_gap_of_ten_milliseconds_is_found_and_a_whole_tone_has_none() -> None:
    whole = tone(440, 1.0)
    assert heard(whole).gaps_s() == []
    whole[8_000:8_160] = 0
    ((at_s, length_s),) = heard(whole).gaps_s()
    assert at_s == pytest.approx(100.5, abs=0.011)
    assert length_s == pytest.approx(0.01, abs=0.002)


def test_windows_have_the_tone_that_sounded_in_them() -> None:
    found = heard(np.concatenate([tone(440, 0.5), silence(0.2), tone(700, 0.3)])).tones_hz()
    assert [None if hz is None else round(hz) for _, hz in found] == [440] * 5 + [None] * 2 + [700] * 3
    assert heard(np.random.default_rng(1).normal(0, 3_000, HZ)).tones_hz()[0][1] is None


def through_opus(samples: np.ndarray) -> np.ndarray:
    """As it is heard of whoever sends it, when nothing is lost or late."""
    encoder, decoder = _core.OpusEncoder(sample_rate=HZ), _core.OpusDecoder(sample_rate=HZ)
    frames = samples[: len(samples) // 320 * 320].astype(np.int16).reshape(-1, 320)
    return np.frombuffer(b"".join(decoder.decode(encoder.encode(frame.tobytes())) for frame in frames), np.int16)


@pytest.mark.parametrize("word", ["able", "echo", "iron", "milk", "quiz", "unit"])
def test_a_word_through_opus_has_its_own_tone_alone_wherever_the_windows_begin(word: str) -> None:
    hz = tone_hz(word)
    for lead in range(0, 320, 53):
        sound = through_opus(np.concatenate([silence(0.2 + lead / HZ), tone_words.spoken(f"{word} " * 8, HZ)]))
        for start in range(0, 800, 11):
            tones = [found for _, found in heard(sound[start:]).tones_hz(window_s=0.05) if found is not None]
            assert len(tones) >= 8
            assert tones == pytest.approx([hz] * len(tones), abs=10.0)


def test_fifty_milliseconds_of_another_word_are_found_wherever_they_are() -> None:
    for start in range(0, 800, 7):
        sound = np.concatenate([tone(300, 0.5), silence(0.07), tone(1_400, 0.05), silence(0.07), tone(300, 0.5)])
        tones = [hz for _, hz in heard(sound[start:]).tones_hz(window_s=0.05) if hz is not None]
        assert any(abs(hz - 1_400) < 10 for hz in tones)


def test_a_leak_forty_decibels_down_is_measured() -> None:
    found = heard(tone(440, 1.0, 10_000) + tone(700, 1.0, 100))
    assert found.tone_dbfs(440) == pytest.approx(20 * np.log10(10_000 / 32_768 / 2**0.5), abs=0.1)
    assert found.tone_dbfs(700) == pytest.approx(found.tone_dbfs(440) - 40, abs=0.5)
    assert found.tone_dbfs(1_000) < found.tone_dbfs(440) - 60


def test_only_what_came_in_a_stretch_of_time_is_in_it() -> None:
    found = heard(tone_words.spoken("able bake calm", HZ))
    assert found.words == ["able", "bake", "calm"]
    assert found.between(100.2, 100.43).words == ["bake"]


def test_a_frame_that_was_late_is_noticed() -> None:
    found = heard(tone(440, 1.0))
    assert found.late_s() == pytest.approx(0.0, abs=1e-9)
    found.arrivals_s[50:] += 0.08
    found.arrivals_s[52:] -= 0.06
    assert found.late_s() == pytest.approx(0.08)
