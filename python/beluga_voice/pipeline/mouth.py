"""The mouth that a voice is handed: what one speech of the agent sounds like."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.audio_format import AudioFormat, int16_mono
from beluga_voice.clock import now
from beluga_voice.core_errors import QueueFullError, translated
from beluga_voice.errors import AudioFormatError, SessionError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from typing_extensions import Buffer

    from beluga_voice.call_link import CallLink
    from beluga_voice.hooks.audio_processor import Stage
    from beluga_voice.pipeline.processing import Processing

__all__ = ["CallMouth"]

# A voice that has added less than this trickles: it counts as silent, in seconds.
_TRICKLE_S = 0.02
# A sentence's beginning counts as heard with its first hundredth of a second.
_BEGINNINGS_PER_S = 100
# Writes that find room and so never wait: after so many the loop's other tasks have their turn.
_WRITES_IN_A_ROW = 64
# What audio processors are given at once, in seconds.
_BATCH_S = 0.1


class CallMouth:
    """Writes one utterance. It is opened by its first sound, so that a speech without any is none.

    `open_utterance` opens it in the core; what is written goes through the processors of `stage`.
    """

    def __init__(self, link: CallLink, processing: Processing, stage: Stage, open_utterance: Callable[[], int]) -> None:
        self.utterance: int | None = None
        self.written_s = 0.0
        """Seconds of sound that the core was handed."""
        self.first_sound_at: float | None = None
        """`clock.now()` of the first sound's arrival."""
        self.sentence_sound_at: float | None = None
        """The same of the sentence that the voice is at."""
        self._link = link
        self._processing = processing
        self._stage: Stage = stage
        self._open_utterance = open_utterance
        self._processed_s = 0.0
        """Seconds of sound that the audio processors were given."""
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._idle_since = self._loop.time()
        self._idle_from_s = 0.0
        """Seconds of sound that were written at `_idle_since`."""
        self._writing = 0
        self._writes = 0
        self._marks: dict[int, str | int] = {}
        """A voice's, by name, and our own where sentences begin."""
        self._beginning: int | None = None
        """The sentence of which nothing was written yet."""
        self._mark_numbers = itertools.count(1)

    async def write(
        self, pcm: Buffer, *, sample_rate: int | None = None, audio_format: AudioFormat | None = None
    ) -> None:
        """Queues sound; waits while the queue is full. See `Mouth.write`.

        Raises AudioFormatError for what is no sound or a rate outside 8000 to 192000 Hz, SessionError when the call is
        over or the speech was given up.
        """
        rate_hz = _checked_rate(sample_rate, audio_format)
        sound = int16_mono(pcm, audio_format)

        def write(rest: memoryview) -> int:
            self._check_open()
            if not rest:  # an empty piece is no sound, and begins no speech
                return 0
            if self.first_sound_at is None:
                self.first_sound_at = now()
            if self.sentence_sound_at is None:
                self.sentence_sound_at = now()
            if self.utterance is None:
                self.utterance = self._open_utterance()
            if self._beginning is not None:
                # Up to the first mark: what stands behind a mark is heard after it.
                rest = rest[: 2 * (rate_hz // _BEGINNINGS_PER_S)]
            taken = self._link.call.write_mouth(rest, rate_hz)
            self.written_s += taken / rate_hz
            if taken:
                self._mark_beginning()
            return taken

        self._writing += 1
        began = self._loop.time()
        try:
            if self._processing.handles(self._stage):
                async for piece in self._processed(sound, rate_hz):
                    await self._link.write_mouth(piece, write)
            else:
                await self._link.write_mouth(sound, write)
            self._writes += 1
            if self._writes % _WRITES_IN_A_ROW == 0:
                await asyncio.sleep(0)
        finally:
            self._writing -= 1
            self._note_progress(began)

    async def _processed(self, sound: memoryview, rate_hz: int) -> AsyncGenerator[bytes]:
        size = 2 * round(rate_hz * _BATCH_S)
        for start in range(0, len(sound), size):
            self._check_open()
            piece = AudioChunk(sound[start : start + size].tobytes(), rate_hz, self._processed_s)
            self._processed_s += piece.duration_s
            yield (await self._processing.run(piece, self._stage)).pcm

    @property
    def idle_since(self) -> float:
        """The loop's time since when there is room and no sound comes; now, while a write waits for room."""
        return self._loop.time() if self._writing else self._idle_since

    def _note_progress(self, began: float) -> None:
        if self.written_s - self._idle_from_s >= _TRICKLE_S:
            self._idle_since, self._idle_from_s = self._loop.time(), self.written_s
        else:
            self._idle_since += self._loop.time() - began  # for waiting nobody is to blame

    def begin_sentence(self, number: int) -> None:
        """The next sound is that of the nth sentence: `mark_reached` will tell when it is heard."""
        self._beginning = number
        self.sentence_sound_at = None

    def _mark_beginning(self) -> None:
        number, self._beginning = self._beginning, None
        if number is None:
            return
        mark = next(self._mark_numbers)
        # Without room for it, and it alone, the sentence's words are told later.
        with suppress(QueueFullError), translated():
            self._link.call.mark(mark)
            self._marks[mark] = number

    def mark(self, name: str) -> None:
        """Notes the place after what has been written: an event tells when it was heard."""
        self._check_open()
        if self.utterance is None:
            return
        number = next(self._mark_numbers)
        with translated():
            self._link.call.mark(number)
        self._marks[number] = name

    def mark_reached(self, number: int) -> str | int:
        """What was heard: the name of a voice's mark, or the number of the sentence that begins."""
        return self._marks.pop(number)

    def close(self) -> None:
        """Nothing more will be written: what a voice writes behind its own end must not come into the next speech."""
        if self._closed:
            return
        self._closed = True
        del self._open_utterance  # which holds whoever holds this
        if self.utterance is not None and not self._link.call.closed:
            with translated():
                self._link.call.end_utterance()

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError("this speech is over", code="interruption_error", operation="write")


def _checked_rate(sample_rate: int | None, form: AudioFormat | None) -> int:
    if form is None:
        return AudioFormat(cast("int", sample_rate)).sample_rate
    if sample_rate is not None and sample_rate != form.sample_rate:
        raise AudioFormatError(
            f"sample_rate = {sample_rate!r}: allowed: {form.sample_rate}, as in audio_format, or that alone",
            code="invalid_format",
        )
    return form.sample_rate
