"""The caller's sound as it comes, for whoever wants to have it beside the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.converted_reader import ConvertedReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from beluga_voice.audio_format import AudioFormat
    from beluga_voice.call_link import CallLink

__all__ = ["caller_sound"]

_EAR_HZ = 16_000


async def caller_sound(
    link: CallLink, *, duration: float, audio_format: AudioFormat | None, on_lost: Callable[[int], None]
) -> AsyncGenerator[AudioChunk]:
    """What the caller says from now on, `duration` seconds at a time, until the call is over.

    The core keeps some seconds of it; of a reader who is slower than that the oldest is lost, of which `on_lost` is
    told in samples at 16 kHz.
    """
    reader = link.ear_reader()
    position = link.call.ear_written

    async def read(duration: float) -> AudioChunk | None:
        nonlocal position
        samples = max(1, round(duration * _EAR_HZ))
        while link.call.ear_written < position + samples and not link.call.closed:
            await link.heard(reader, position + samples)
        pcm, start, lost = link.call.read_ear(position, samples)
        if lost:
            on_lost(lost)
        if not pcm:
            return None
        position = start + len(pcm) // 2
        return AudioChunk(pcm, _EAR_HZ, start / _EAR_HZ)

    if audio_format is not None:
        read = ConvertedReader(read, source_hz=_EAR_HZ, target=audio_format).read
    try:
        while (chunk := await read(duration)) is not None:
            yield chunk
    finally:
        link.release(reader)
