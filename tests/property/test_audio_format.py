"""What is true of every sound, whatever form it comes in and however it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays

from beluga_voice.audio_format import AudioConverter, AudioFormat, SampleFormat, int16_mono
from beluga_voice.errors import AudioFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = arrays.arrays(np.int16, st.integers(0, 400))
FORMATS: list[SampleFormat] = ["int16", "float32", "pcmu", "pcma"]
RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
FORMS = st.builds(AudioFormat, RATES, st.integers(1, 2), st.sampled_from(FORMATS))


def _whole(source: AudioFormat, target: AudioFormat, sound: bytes) -> bytes:
    converter = AudioConverter(source, target)
    return converter.convert(sound) + converter.flush()


def _there_and_back(samples: NDArray[np.int16], form: AudioFormat) -> NDArray[np.int16]:
    plain = AudioFormat(form.sample_rate)
    return np.frombuffer(_whole(form, plain, _whole(plain, form, samples.tobytes())), "<i2")


@given(SAMPLES, st.integers(1, 2))
def test_int16_is_the_same_after_a_way_through_float32_and_stereo(samples: NDArray[np.int16], channels: int) -> None:
    assert np.array_equal(_there_and_back(samples, AudioFormat(16_000, channels, "float32")), samples)
    assert np.array_equal(_there_and_back(samples, AudioFormat(16_000, channels)), samples)


@given(SAMPLES, st.sampled_from(["pcmu", "pcma"]))
def test_g711_loses_what_a_byte_cannot_hold_and_only_once(samples: NDArray[np.int16], law: SampleFormat) -> None:
    once = _there_and_back(samples, AudioFormat(8_000, 1, law))
    assert np.array_equal(_there_and_back(once, AudioFormat(8_000, 1, law)), once)
    # G.711 keeps at least four bits behind a sample's first one: within 1/16, and 16 where there is nothing to keep.
    error = np.abs(once.astype(int) - samples.astype(int))
    assert np.all(error <= np.maximum(np.abs(samples.astype(int)) / 16, 16))


@settings(deadline=None)
@given(SAMPLES, FORMS, FORMS, st.lists(st.integers(0, 400), max_size=6))
def test_how_a_stream_is_cut_makes_no_difference(
    samples: NDArray[np.int16], source: AudioFormat, target: AudioFormat, cuts: list[int]
) -> None:
    sound = _whole(AudioFormat(source.sample_rate), source, samples.tobytes())
    converter = AudioConverter(source, target)
    at = sorted(min(cut * source.frame_bytes, len(sound)) for cut in cuts)
    pieces = [sound[start:end] for start, end in zip([0, *at], [*at, len(sound)], strict=True)]
    assert b"".join([*map(converter.convert, pieces), converter.flush()]) == _whole(source, target, sound)


@settings(deadline=None)
@given(FORMS, FORMS, st.integers(1, 2_000))
def test_sound_lasts_as_long_in_any_form(source: AudioFormat, target: AudioFormat, frames: int) -> None:
    silence = _whole(AudioFormat(source.sample_rate), source, bytes(2 * frames))
    converted = _whole(source, target, silence)
    assert len(converted) % target.frame_bytes == 0
    assert abs(len(converted) / target.frame_bytes / target.sample_rate - frames / source.sample_rate) <= (
        1 / target.sample_rate
    )


@given(arrays.arrays(np.float32, st.integers(1, 50), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_floats_beyond_full_scale_are_clipped_and_never_wrap(floats: NDArray[np.float32]) -> None:
    samples = np.frombuffer(int16_mono(floats), "<i2")
    assert np.all(samples[floats >= 1] == 32_767)
    assert np.all(samples[floats <= -1] == -32_768)
    inside = np.abs(floats) < 1
    assert np.all(np.abs(samples[inside] / 32_768 - floats[inside]) <= 1 / 32_768)


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 9))
def test_floats_that_are_no_numbers_are_refused(wrong: float, at: int) -> None:
    floats = np.zeros(10, np.float32)
    floats[at] = wrong
    with pytest.raises(AudioFormatError, match="allowed: finite ones, from -1 to 1") as refused:
        int16_mono(floats)
    assert refused.value.code == "conversion_failed"


@given(arrays.arrays(np.int16, st.tuples(st.integers(0, 50), st.just(2))))
def test_two_channels_become_their_mean(frames: NDArray[np.int16]) -> None:
    mono = np.frombuffer(int16_mono(frames), "<i2")
    assert np.all(np.abs(mono - frames.astype(float).mean(axis=1)) <= 0.5)
    assert int16_mono(frames.tobytes(), AudioFormat(16_000, 2)) == int16_mono(frames)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: AudioFormat(7_999), "sample_rate = 7999: allowed: a whole number from 8000 to 192000 Hz"),
        (lambda: AudioFormat(8_000.5), "sample_rate = 8000.5: allowed: a whole number"),  # type: ignore[arg-type]
        (lambda: AudioFormat(8_000, 3), "channels = 3: allowed: a whole number from 1 to 2"),
        (lambda: AudioFormat(8_000, 1, "mp3"), "sample_format = 'mp3': allowed: int16, float32, pcmu, pcma"),  # type: ignore[arg-type]
        (lambda: int16_mono(bytes(3)), "allowed: a buffer of int16 or float32"),
        (lambda: int16_mono(np.zeros(3)), "allowed: a buffer of int16 or float32"),
        (lambda: int16_mono(bytes(6), AudioFormat(8_000, 2)), "is not int16 with 2 channels: allowed:"),
        (lambda: int16_mono(np.zeros(4, np.float32), AudioFormat(8_000)), "is not int16 with 1 channel: allowed:"),
    ],
)
def test_what_is_no_form_and_no_sound_is_told_what_is_allowed(make: object, told: str) -> None:
    with pytest.raises(AudioFormatError) as refused:
        make()  # type: ignore[operator]
    assert told in str(refused.value)
    assert refused.value.code == "invalid_format"


def test_resampling_in_pieces_leaves_no_clicks() -> None:
    """A tone at 24 kHz in pieces of 7 ms to 44.1 kHz is the tone, to 70 dB, wherever it was cut."""
    at_24 = np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000) * 16_000
    converter = AudioConverter(AudioFormat(24_000), AudioFormat(44_100, 1, "float32"))
    sound = at_24.astype("<i2").tobytes()
    pieces = [converter.convert(sound[start : start + 336]) for start in range(0, len(sound), 336)]
    heard = np.frombuffer(b"".join([*pieces, converter.flush()]), "<f4")
    wanted = np.sin(2 * np.pi * 440 * np.arange(len(heard)) / 44_100) * 16_000 / 32_768
    middle = slice(2_000, -2_000)
    assert np.max(np.abs(heard[middle] - wanted[middle])) < 10 ** (-70 / 20)
