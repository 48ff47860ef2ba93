"""What a component is given instead of bytes: an ear to hear with, a mouth to speak with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from typing_extensions import Buffer

    from beluga_voice.audio_chunk import AudioChunk
    from beluga_voice.audio_format import AudioFormat

__all__ = ["Ear", "Mouth", "Utterance"]


class Utterance(Protocol):
    """One turn of the caller, from its pre-roll to its end."""

    @property
    def turn_id(self) -> int:
        """Counts the caller's turns within the session."""
        ...

    @property
    def start_s(self) -> float:
        """When its first sample (pre-roll included) was heard, in seconds on the session's media clock."""
        ...

    def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """100 ms each, the last may be shorter; ends when the turn ends."""
        ...


class Ear(Protocol):
    """The caller's sound at 16 kHz."""

    @property
    def sample_rate(self) -> int:
        """Hz; 16000."""
        ...

    async def read(self, duration: float, *, audio_format: AudioFormat | None = None) -> AudioChunk | None:
        """The next `duration` seconds, int16 and mono at `sample_rate` or in that form; None when the call is over."""
        ...

    def utterances(self, *, audio_format: AudioFormat | None = None) -> AsyncIterator[Utterance]:
        """The caller's turns, one after another, until the call is over; their sound in that form."""
        ...


class Mouth(Protocol):
    """What is written here is played to the caller."""

    async def write(
        self, pcm: Buffer, *, sample_rate: int | None = None, audio_format: AudioFormat | None = None
    ) -> None:
        """Queues sound; waits while the queue is full.

        With `sample_rate`: int16 or float32 of shape (n,), or (n, 2) in stereo, or bytes of int16 and mono. With
        `audio_format`: bytes in that form.
        """
        ...

    def mark(self, name: str) -> None:
        """Notes the place after what has been written: an event tells when it has been heard."""
        ...
