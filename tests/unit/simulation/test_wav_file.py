"""Every common form of WAV is one caller's voice; what is none is named."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, strategies as st
from support.wav_forms import FORMS, wav_file

from beluga_voice.audio import read_wav, write_wav
from beluga_voice.errors import AudioFormatError
from beluga_voice.simulation.file_caller import WavFile
from beluga_voice.testing.tone_words import spoken

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = spoken("able", 8_000)
# What is lost by eight bits, and by a law of the telephone, at the loudest.
TOLERANCE = {"8 bit": 256, "A-law": 256, "mu-law": 256}


def voice_of(path: Path, content: bytes) -> tuple[list[int], int]:
    path.write_bytes(content)
    file = WavFile(path)
    return np.frombuffer(file.pcm, "<i2").tolist(), file.sample_rate


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("form", FORMS)
def test_every_common_form_is_read(tmp_path: Path, form: str, rate_hz: int, channels: int, extensible: bool) -> None:
    content = wav_file(SAMPLES, form=form, rate_hz=rate_hz, channels=channels, extensible=extensible)
    heard, rate = voice_of(tmp_path / "a.wav", content)
    assert rate == rate_hz
    assert len(heard) == len(SAMPLES)
    assert np.abs(np.array(heard) - SAMPLES).max() <= TOLERANCE.get(form, 0)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_at_any_byte_is_read_as_far_as_it_goes_or_refused(tmp_path: Path, form: str) -> None:
    samples = SAMPLES[200:220]
    content = wav_file(samples, form=form, channels=2, extensible=True)
    whole, _ = voice_of(tmp_path / "a.wav", content)
    header = content.index(b"data") + 8
    for cut in range(len(content)):
        if cut < header + 2 * FORMS[form][1] // 8:  # the first frame is not whole
            with pytest.raises(AudioFormatError, match=r"a\.wav: "):
                voice_of(tmp_path / "a.wav", content[:cut])
            continue
        heard, _ = voice_of(tmp_path / "a.wav", content[:cut])
        assert heard
        assert heard == whole[: len(heard)]


@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.integers(0, 140), st.integers(0, 255)), max_size=8),
    st.integers(0, 140),
)
def test_a_damaged_file_is_read_or_refused(form: str, damage: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(wav_file(SAMPLES[200:220], form=form, extensible=True))
    for place, value in damage:
        if place < len(content):
            content[place] = value
    with suppress(AudioFormatError):
        pcm, rate_hz, channels = read_wav(bytes(content[: len(content) - cut]))
        assert rate_hz > 0
        assert len(pcm) % (2 * channels) == 0


NO_WAV = {
    "empty": (b"", "no WAV file: it is empty"),
    "text": (b"Dear caller,\n", "no WAV file: it is text"),
    "MP3": (b"ID3\4\0" + bytes(200), "no WAV file: it is MP3"),
    "MP3 without a tag": (b"\xff\xfb\x90\x64" + bytes(200), "no WAV file: it is MP3"),
    "Ogg": (b"OggS\0\2" + bytes(200), "no WAV file: it is Ogg"),
    "FLAC": (b"fLaC\0\0\0\x22" + bytes(200), "no WAV file: it is FLAC"),
    "M4A": (b"\0\0\0\x20ftypM4A " + bytes(200), "no WAV file: it is MP4 or M4A"),
    "zeros": (bytes(200), "no WAV file: it is of an unknown kind"),
    "half a header": (b"RIFF\x24\0", "no WAV file: it is RIFF of another kind, or cut off"),
    "no sound": (wav_file(SAMPLES[:0]), "the file holds no sound"),
    "no data": (wav_file(SAMPLES[:0])[:40], "WAV file without a usable 'data' chunk"),
    "ADPCM": (
        wav_file(SAMPLES).replace(b"\1\0\1\0\x80", b"\x11\0\1\0\x80", 1),
        "WAV format 17 (IMA ADPCM) with 16 bits per sample is not read: allowed: PCM of 8 to 32 bits",
    ),
    "4 kHz": (wav_file(SAMPLES, rate_hz=4_000), "4000 samples a second: allowed: from 8000 to 192000"),
}


@pytest.mark.parametrize(("content", "message"), NO_WAV.values(), ids=NO_WAV)
def test_what_cannot_be_played_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFormatError) as refused:
        WavFile(path)
    assert refused.value.message.startswith(f"{path}: {message}")
    assert refused.value.details == {"path": str(path)}


def test_more_than_an_hour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_file(np.zeros(8_000 * 3_601, np.int16), form="8 bit", rate_hz=8_000))
    with pytest.raises(AudioFormatError, match=r"3601 s of sound: allowed: 3600 s"):
        WavFile(path)


def test_what_has_no_end_is_not_read_to_its_end() -> None:
    from pathlib import Path

    with pytest.raises(AudioFormatError, match="/dev/zero: no WAV file"):
        WavFile(Path("/dev/zero"))


def test_a_folder_and_a_missing_file_are_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        WavFile(tmp_path)
    with pytest.raises(FileNotFoundError):
        WavFile(tmp_path / "none.wav")
    if os.geteuid() != 0:
        (tmp_path / "a.wav").write_bytes(wav_file(SAMPLES))
        (tmp_path / "a.wav").chmod(0)
        with pytest.raises(PermissionError):
            WavFile(tmp_path / "a.wav")


@pytest.mark.parametrize("form", ["float 32", "float 64"])
def test_what_is_no_number_is_silence_and_what_is_too_loud_is_cut_off(form: str) -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 2.0, 0.5, -1.0])
    dtype = "<f4" if form == "float 32" else "<f8"
    content = wav_file(np.zeros(len(values), np.int16), form=form)
    content = content[: -values.astype(dtype).nbytes] + values.astype(dtype).tobytes()
    pcm, _, _ = read_wav(content)
    assert np.frombuffer(pcm, "<i2").tolist() == [0, 0, 0, 32_767, -32_768, 32_767, 16_384, -32_768]


@pytest.mark.parametrize(("samples", "channels"), [(3, 2), (4, 0), (4, -1), (4, 70_000)])
def test_half_a_frame_is_not_written(samples: int, channels: int) -> None:
    with pytest.raises(AudioFormatError, match="allowed: whole frames of 1 to 65535 channels"):
        write_wav(bytes(2 * samples), sample_rate=8_000, channels=channels)
