"""Silero's voice activity detector on a stream of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice import _core
from beluga_voice._engine import silero_weights
from beluga_voice.core_errors import translated

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["SileroVad"]


class SileroVad:
    """Probability of speech, window by window of 512 samples at 16 kHz (32 ms).

    Uses the weights in the wheel. Source: Silero VAD v6, github.com/snakers4/silero-vad, MIT.
    """

    def __init__(self) -> None:
        with translated():
            self._stream = _core.SileroVad(silero_weights())

    def process(self, pcm: Buffer) -> list[float]:
        """Takes any amount of sound at 16 kHz; gives one probability, 0 to 1, for each window that it completes."""
        with translated():
            return self._stream.process(pcm)

    def reset(self) -> None:
        """Forgets everything heard: for the next recording."""
        self._stream.reset()
