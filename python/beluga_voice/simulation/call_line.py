"""What a simulated caller needs of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from beluga_voice.audio_chunk import AudioChunk

__all__ = ["CallLine"]


class CallLine(Protocol):
    """The caller's end; `LocalCall` is one."""

    async def read(self, duration: float) -> AudioChunk | None:
        """The next `duration` seconds of what he hears; None when the call is over."""
        ...

    async def write(self, pcm: Buffer) -> None:
        """What he says. Raises SessionError when the call is over."""
        ...
