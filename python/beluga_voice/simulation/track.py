"""One side of a call on the session's time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beluga_voice.audio_chunk import AudioChunk

__all__ = ["Track"]

_BYTES_PER_SAMPLE = 2


class Track:
    """Mono int16 sound whose sample k was heard at k / `sample_rate` seconds of the session.

    Chunks go where their `start_s` says, to the sample; what no chunk covers is silence.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._pcm = bytearray()

    def __len__(self) -> int:
        """The number of samples, counted from the start of the session."""
        return len(self._pcm) // _BYTES_PER_SAMPLE

    @property
    def duration_s(self) -> float:
        """How long it lasts, in seconds."""
        return len(self) / self.sample_rate

    @property
    def pcm(self) -> bytes:
        """All of it, int16 little-endian."""
        return bytes(self._pcm)

    def put(self, chunk: AudioChunk) -> None:
        """Adds a chunk; what was there before is replaced. Raises ValueError for another rate."""
        if chunk.sample_rate != self.sample_rate:
            raise ValueError(f"sample_rate = {chunk.sample_rate}: allowed: {self.sample_rate}, the track's own")
        self.put_at(round(chunk.start_s * self.sample_rate), chunk.pcm)

    def put_at(self, start: int, pcm: bytes) -> None:
        """As `put`, for int16 samples the first of which is sample `start` of the session."""
        first = start * _BYTES_PER_SAMPLE
        if first > len(self._pcm):
            self._pcm.extend(bytes(first - len(self._pcm)))
        self._pcm[first : first + len(pcm)] = pcm
