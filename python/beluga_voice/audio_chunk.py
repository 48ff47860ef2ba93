"""Sound that belongs together: PCM, its rate, and when it began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AudioChunk"]

_BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of mono sound.

    - `pcm`: int16, little-endian, `2 * n` bytes.
    - `sample_rate`: Hz.
    - `start_s`: when its first sample was heard, in seconds on the session's media clock.
    """

    pcm: bytes
    sample_rate: int
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate = {self.sample_rate}: allowed: above 0 Hz")
        if len(self.pcm) % _BYTES_PER_SAMPLE:
            raise ValueError(f"pcm has {len(self.pcm)} bytes: allowed: an even number, two for each sample")

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.pcm) // _BYTES_PER_SAMPLE

    @property
    def duration_s(self) -> float:
        """How long it lasts, in seconds."""
        return len(self) / self.sample_rate

    @property
    def end_s(self) -> float:
        """When it is over, in seconds on the session's media clock."""
        return self.start_s + self.duration_s

    @property
    def samples(self) -> NDArray[np.int16]:
        """The samples, shape (n,), int16, read-only and without a copy. Needs numpy (`pip install numpy`)."""
        import numpy as np

        return np.frombuffer(self.pcm, dtype="<i2")

    def with_samples(self, samples: NDArray[np.int16]) -> AudioChunk:
        """This stretch with other samples: int16, shape (n,). Raises ValueError for another type or shape."""
        if samples.dtype.str != "<i2" or samples.ndim != 1:
            raise ValueError(f"samples are {samples.dtype}, shape {samples.shape}: allowed: int16, shape (n,)")
        return AudioChunk(samples.tobytes(), self.sample_rate, self.start_s)
