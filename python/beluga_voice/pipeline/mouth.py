"""The mouth that a voice is handed: what one speech of the agent sounds like."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from beluga_voice.clock import now
from beluga_voice.core_errors import translated
from beluga_voice.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from beluga_voice.call_link import CallLink

__all__ = ["CallMouth"]


class CallMouth:
    """Writes one utterance. It is opened by its first sound, so that a speech without any is none.

    `open_utterance` opens it in the core.
    """

    def __init__(self, link: CallLink, open_utterance: Callable[[], int]) -> None:
        self.utterance: int | None = None
        self.written_s = 0.0
        """Seconds of sound that the core was handed."""
        self.first_sound_at: float | None = None
        """`clock.now()` of the first sound's arrival."""
        self._link = link
        self._open_utterance = open_utterance
        self._closed = False
        self._marks: dict[int, str] = {}
        self._mark_numbers = itertools.count(1)

    async def write(self, pcm: Buffer, *, sample_rate: int) -> None:
        """Queues int16 mono samples; waits while the queue is full.

        Raises AudioFormatError for another format, ConfigError for a rate outside 8000 to 192000 Hz, SessionError when
        the call is over or the speech was given up.
        """
        if memoryview(pcm).nbytes == 0:
            return
        if self.first_sound_at is None:
            self.first_sound_at = now()

        def write(rest: memoryview) -> int:
            self._check_open()
            if self.utterance is None:
                self.utterance = self._open_utterance()
            taken = self._link.call.write_mouth(rest, sample_rate)
            self.written_s += taken / sample_rate
            return taken

        await self._link.write_mouth(pcm, write)

    def mark(self, name: str) -> None:
        """Notes the place after what has been written: an event tells when it was heard."""
        self._check_open()
        if self.utterance is None:
            return
        number = next(self._mark_numbers)
        with translated():
            self._link.call.mark(number)
        self._marks[number] = name

    def mark_reached(self, number: int) -> str:
        """The name of a mark that was heard."""
        return self._marks.pop(number)

    def close(self) -> None:
        """Nothing more will be written: what a voice writes behind its own end must not come into the next speech."""
        if self._closed:
            return
        self._closed = True
        if self.utterance is not None and not self._link.call.closed:
            with translated():
                self._link.call.end_utterance()

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError("this speech is over", code="interruption_error", operation="write")
