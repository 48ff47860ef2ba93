"""The mouth that a voice is handed: what one speech of the agent sounds like."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from beluga_voice.call_link import CallLink

__all__ = ["CallMouth"]


class CallMouth:
    """Writes one utterance. It is opened by its first sound, so that a speech without any is none.

    `open_utterance` opens it in the core, `on_mark` is told the names of marks by their numbers.
    """

    def __init__(self, link: CallLink, open_utterance: Callable[[], int], name_mark: Callable[[str], int]) -> None:
        self.utterance: int | None = None
        self.written_s = 0.0
        self.first_sound_at: float | None = None
        """`time.monotonic()` of the first sound's arrival."""
        self._link = link
        self._open_utterance = open_utterance
        self._name_mark = name_mark

    async def write(self, pcm: Buffer, *, sample_rate: int) -> None:
        """Queues int16 mono samples; waits while the queue is full.

        Raises AudioFormatError for another format, ConfigError for a rate outside 8000 to 192000 Hz, SessionError when
        the call is over.
        """
        samples = memoryview(pcm).nbytes // 2
        if samples == 0:
            return
        if self.utterance is None:
            self.first_sound_at = time.monotonic()
            self.utterance = self._open_utterance()
        await self._link.write_mouth(pcm, sample_rate)
        self.written_s += samples / sample_rate

    def mark(self, name: str) -> None:
        """Notes the place after what has been written: an event tells when it was heard."""
        if self.utterance is not None:
            self._link.call.mark(self._name_mark(name))
