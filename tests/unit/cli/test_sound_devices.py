"""The microphone and the loudspeaker, with a PortAudio that the test holds in its hand."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest

from beluga_voice import LocalCall, Turn, VoiceSession
from beluga_voice.cli import event_loop
from beluga_voice.cli.console import console
from beluga_voice.cli.problems import CommandError
from beluga_voice.cli.sound_devices import SoundDevices, missing_sound
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech, run
from beluga_voice.testing.tone_words import spoken, understood

SAID_HZ, HEARD_HZ = 16_000, 24_000
BLOCK_S = 0.02


class PortAudioError(Exception):
    pass


class FakeStream:
    def __init__(self, *, samplerate: int, blocksize: int, channels: int, dtype: str, callback: Any) -> None:
        assert (blocksize, channels, dtype) == (round(BLOCK_S * samplerate), 1, "int16")
        self.samplerate = samplerate
        self.callback = callback
        self.open = False

    def __enter__(self) -> Self:
        self.open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.open = False


class FakePortAudio(SimpleNamespace):
    """Stands for the module sounddevice."""

    PortAudioError = PortAudioError

    def __init__(self, *, kinds: tuple[str, ...] = ("input", "output"), opens: bool = True) -> None:
        super().__init__()
        self.kinds = kinds
        self.opens = opens
        self.heard = bytearray()

    def query_devices(self, *, kind: str) -> dict[str, Any]:
        if kind not in self.kinds:
            raise PortAudioError("Error querying device -1")
        return {}

    def RawInputStream(self, **asked: Any) -> FakeStream:  # noqa: N802 - the name that it has there
        if not self.opens:
            raise PortAudioError("Device unavailable")
        self.microphone = FakeStream(**asked)
        return self.microphone

    def RawOutputStream(self, **asked: Any) -> FakeStream:  # noqa: N802 - the name that it has there
        self.loudspeaker = FakeStream(**asked)
        return self.loudspeaker

    async def play(self, said: bytes, seconds: float) -> None:
        """The devices' own clock: a block in and a block out every 20 ms, `said` and then silence."""
        size = 2 * self.microphone.samplerate // 50
        for number in range(round(seconds / BLOCK_S)):
            block = said[number * size : (number + 1) * size]
            self.microphone.callback(memoryview(block + bytes(size - len(block))), size // 2, None, None)
            out = bytearray(2 * self.loudspeaker.samplerate // 50)
            self.loudspeaker.callback(memoryview(out), len(out) // 2, None, None)
            self.heard += out
            await asyncio.sleep(BLOCK_S)


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


def talk_with(portaudio: FakePortAudio, said: bytes, seconds: float) -> SoundDevices:
    devices = SoundDevices()

    async def main() -> None:
        session = VoiceSession(agent=repeat, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
        call = LocalCall(sample_rate=SAID_HZ, output_sample_rate=HEARD_HZ)
        async with session:
            await session.start(call)
            talking = asyncio.create_task(devices.talk(call))
            await asyncio.sleep(0)
            await portaudio.play(said, seconds)
        await talking
        assert not portaudio.microphone.open
        assert not portaudio.loudspeaker.open

    run(main())
    return devices


def test_what_is_said_into_the_microphone_is_answered_by_the_loudspeaker(portaudio: FakePortAudio) -> None:
    devices = talk_with(portaudio, spoken("able bake", SAID_HZ).tobytes(), 4.0)
    assert understood(np.frombuffer(portaudio.heard, np.int16), HEARD_HZ) == ["able", "bake"]
    assert devices.blocks_dropped == 0


def test_a_session_that_falls_behind_costs_old_sound_and_no_memory(portaudio: FakePortAudio) -> None:
    devices = SoundDevices()

    class Stuck:
        """Takes nothing and says a word without end."""

        async def write(self, pcm: object) -> None:
            await asyncio.Event().wait()

        async def read(self, duration: float) -> Any:
            if devices.blocks_dropped >= 100:
                return None
            await asyncio.sleep(0)
            return SimpleNamespace(pcm=b"\1\1")

    async def main() -> None:
        await devices.talk(Stuck())

    run(main())
    assert devices.blocks_dropped == 100


def test_the_console_shows_the_call_and_ends_with_it(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "parting.py").write_text(
        "from beluga_voice import EndCall\n"
        "async def agent(turn):\n"
        "    yield f'{turn.text}. '\n"
        "    yield EndCall('enough')\n"
    )

    after_the_greeting = bytes(2 * 2 * SAID_HZ) + spoken("able bake", SAID_HZ).tobytes()

    async def play_along(main: Any) -> Any:
        talking = asyncio.ensure_future(main)
        while not hasattr(portaudio, "loudspeaker"):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(BLOCK_S)
        playing = asyncio.ensure_future(portaudio.play(after_the_greeting, 60.0))
        try:
            return await talking
        finally:
            playing.cancel()

    monkeypatch.setattr(event_loop, "run", lambda main: run(play_along(main)))
    components: dict[str, Any] = {"stt": FakeSpeechToText(), "tts": FakeTextToSpeech(), "vad": "energy"}
    assert console(f"{tmp_path}/parting.py:agent", text=False, greeting="gold", **components) == 0
    shown = capsys.readouterr().out
    assert "headphones" in shown
    assert "agent   gold" in shown
    assert "caller  able bake" in shown
    assert "agent   able bake." in shown
    assert understood(np.frombuffer(portaudio.heard, np.int16), HEARD_HZ) == ["gold", "able", "bake"]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ModuleNotFoundError("no"), "pip install 'beluga-voice[console]'"),
        (OSError("PortAudio library not found"), "apt install libportaudio2"),
    ],
)
def test_a_machine_without_portaudio_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, told: str
) -> None:
    real = importlib.import_module

    def refuse(name: str, *more: Any) -> Any:
        if name == "sounddevice":
            raise raised
        return real(name, *more)

    monkeypatch.setattr(importlib, "import_module", refuse)
    assert told in (missing_sound() or "")


@pytest.mark.parametrize("kinds", [(), ("input",), ("output",)])
def test_a_machine_without_microphone_or_loudspeaker_is_told_so(
    portaudio: FakePortAudio, kinds: tuple[str, ...]
) -> None:
    assert missing_sound() is None
    portaudio.kinds = kinds
    assert "no microphone or no loudspeaker" in (missing_sound() or "")


def test_devices_that_cannot_be_opened_are_named_with_what_to_do(portaudio: FakePortAudio) -> None:
    portaudio.opens = False

    async def main() -> None:
        await SoundDevices().talk(LocalCall())

    with pytest.raises(CommandError, match="Device unavailable") as failed:
        run(main())
    assert "--text" in failed.value.do
