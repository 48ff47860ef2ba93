"""Sound that belongs together: PCM, its rate, and when it began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.audio_format import SampleFormat

__all__ = ["AudioChunk"]

_BYTES_PER_SAMPLE = {"int16": 2, "float32": 4}
_TYPES = {"int16": "<i2", "float32": "<f4"}


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of sound, mono and int16 unless another form was asked for.

    - `pcm`: its bytes; int16, little-endian, `2 * n` of them.
    - `sample_rate`: Hz.
    - `start_s`: when its first sample was heard, in seconds on the session's media clock.
    - `channels`, `sample_format`: see `AudioFormat`.
    """

    pcm: bytes
    sample_rate: int
    start_s: float = 0.0
    channels: int = 1
    sample_format: SampleFormat = "int16"

    def __post_init__(self) -> None:
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate = {self.sample_rate}: allowed: above 0 Hz")
        if len(self.pcm) % self._frame_bytes:
            allowed = (
                "an even number, two for each sample" if self._frame_bytes == 2 else f"{self._frame_bytes} a frame"
            )
            raise ValueError(f"pcm has {len(self.pcm)} bytes: allowed: {allowed}")

    def __len__(self) -> int:
        """The number of samples, of each channel."""
        return len(self.pcm) // self._frame_bytes

    @property
    def _frame_bytes(self) -> int:
        return self.channels * _BYTES_PER_SAMPLE.get(self.sample_format, 1)

    @property
    def duration_s(self) -> float:
        """How long it lasts, in seconds."""
        return len(self) / self.sample_rate

    @property
    def end_s(self) -> float:
        """When it is over, in seconds on the session's media clock."""
        return self.start_s + self.duration_s

    @property
    def samples(self) -> NDArray[Any]:
        """The samples, shape (n,) or (n, channels), read-only and without a copy: int16, float32, or bytes of G.711."""
        import numpy as np

        samples = np.frombuffer(self.pcm, dtype=_TYPES.get(self.sample_format, "u1"))
        return samples if self.channels == 1 else samples.reshape(-1, self.channels)

    def with_samples(self, samples: NDArray[np.int16]) -> AudioChunk:
        """This stretch with other samples: int16, shape (n,). Raises ValueError for another type or shape."""
        if self.channels != 1 or self.sample_format != "int16":
            raise ValueError(f"this chunk is {self.sample_format} of {self.channels} channels: allowed: int16, mono")
        if samples.dtype.str != "<i2" or samples.ndim != 1:
            raise ValueError(f"samples are {samples.dtype}, shape {samples.shape}: allowed: int16, shape (n,)")
        return AudioChunk(samples.tobytes(), self.sample_rate, self.start_s)
