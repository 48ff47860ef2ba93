"""Sound that is read in another form than it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.audio_format import AudioConverter, AudioFormat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["ConvertedReader"]

# The least that is asked for at once, in seconds.
_LEAST_S = 0.01
# A chunk that begins more than this after the one before it has ended is none that follows it, in seconds.
_GAP_S = 0.000_01


class ConvertedReader:
    """Reads with `read`, which gives int16 mono at `source_hz`, and hands it on as `target`.

    Where sound was lost the conversion begins anew: what comes after a gap keeps its own time.
    """

    def __init__(
        self, read: Callable[[float], Awaitable[AudioChunk | None]], *, source_hz: int, target: AudioFormat
    ) -> None:
        self.target = target
        self._read = read
        self._source = AudioFormat(source_hz)
        self._converter = AudioConverter(self._source, target)
        self._ready = bytearray()
        self._over = False
        self._start_s = 0.0
        """Where what is ready begins."""
        self._next_s: float | None = None
        """Where what was read ends."""

    async def read(self, duration: float) -> AudioChunk | None:
        """The next `duration` seconds, less at the end; None after that."""
        rate_hz, frame = self.target.sample_rate, self.target.frame_bytes
        wanted = max(1, round(duration * rate_hz)) * frame
        while len(self._ready) < wanted and not self._over:
            chunk = await self._read(max(_LEAST_S, (wanted - len(self._ready)) / frame / rate_hz))
            if chunk is None:
                self._over = True
                self._ready += self._converter.flush()
            else:
                self._take(chunk)
        pcm = bytes(self._ready[:wanted])
        if not pcm:
            return None
        del self._ready[:wanted]
        start_s = self._start_s
        self._start_s += len(pcm) // frame / rate_hz
        return AudioChunk(pcm, rate_hz, start_s, self.target.channels, self.target.sample_format)

    def _take(self, chunk: AudioChunk) -> None:
        if self._next_s is None or abs(chunk.start_s - self._next_s) > _GAP_S:
            self._ready.clear()
            self._converter = AudioConverter(self._source, self.target)
            self._start_s = chunk.start_s
        self._next_s = chunk.end_s
        self._ready += self._converter.convert(chunk.pcm)
