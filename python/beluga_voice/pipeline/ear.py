"""The ear that components are handed: the caller's sound of one call."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.converted_reader import ConvertedReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from beluga_voice.audio_format import AudioFormat
    from beluga_voice.call_link import CallLink, Waiter
    from beluga_voice.hooks.audio_processor import Stage
    from beluga_voice.pipeline.processing import Processing

__all__ = ["CallEar", "CallUtterance"]

EAR_HZ = 16_000
_CHUNK_SAMPLES = 1_600
_CHUNK_S = _CHUNK_SAMPLES / EAR_HZ

# Turns that a recogniser may be behind. Policy: the oldest is given up, which its waiting answer learns.
_TURNS_WAITING = 8


class CallUtterance:
    """One turn's sound, readable while it is being spoken."""

    def __init__(
        self,
        link: CallLink,
        processing: Processing,
        stage: Stage,
        turn_id: int,
        start: int,
        on_handed: Callable[[int], None],
    ) -> None:
        self.turn_id = turn_id
        self.start = start
        """Its first sample."""
        self.start_s = start / EAR_HZ
        self.lost_samples = 0
        """Samples that were overwritten before they were read."""
        self.format: AudioFormat | None = None
        """What it is read in; None: int16 and mono at 16 kHz."""
        self._link = link
        self._processing = processing
        self._stage: Stage = stage
        self._on_handed = on_handed
        self._end: int | None = None
        self._readers: set[Waiter] = set()

    @property
    def duration_s(self) -> float:
        """How long it is, once it has ended."""
        return (self._end - self.start) / EAR_HZ if self._end is not None else 0.0

    def end(self, end: int) -> None:
        """The turn is over: nothing after sample `end` belongs to it."""
        self._end = end
        for reader in self._readers:
            reader.wake()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        if self.format is None:
            async for chunk in self._chunks():
                yield chunk
            return
        async with aclosing(self._chunks()) as chunks:

            async def read(_: float) -> AudioChunk | None:
                return await anext(chunks, None)

            reader = ConvertedReader(read, source_hz=EAR_HZ, target=self.format)
            while (chunk := await reader.read(_CHUNK_S)) is not None:
                yield chunk

    async def _chunks(self) -> AsyncGenerator[AudioChunk]:
        position = self.start
        reader = self._link.ear_reader()
        self._readers.add(reader)
        try:
            while self._end is None or position < self._end:
                wanted = position + _CHUNK_SAMPLES
                if self._end is not None:
                    wanted = min(wanted, self._end)
                elif self._link.call.ear_written < wanted and not self._link.call.closed:
                    await self._link.heard(reader, wanted)
                    continue
                pcm, start, lost = self._link.call.read_ear(position, wanted - position)
                self.lost_samples += lost
                if not pcm:  # the call ended in the middle of the turn
                    return
                if self._end is not None:  # read so late that what follows the turn was in its place
                    pcm = pcm[: 2 * max(0, self._end - start)]
                    if not pcm:
                        return
                position = start + len(pcm) // 2
                self._on_handed(len(pcm) // 2)
                yield await self._processing.run(AudioChunk(pcm, EAR_HZ, start / EAR_HZ), self._stage)
        finally:
            self._link.release(reader)
            self._readers.discard(reader)


class CallEar:
    """The caller's sound at 16 kHz, from the moment that the ear is made, as the processors of `stage` leave it.

    `on_given_up` is called with the number of a turn that no recogniser will be handed, `on_handed` with how many
    samples one was.
    """

    sample_rate = EAR_HZ

    def __init__(
        self,
        link: CallLink,
        processing: Processing,
        stage: Stage,
        on_given_up: Callable[[int], None],
        on_handed: Callable[[int], None],
    ) -> None:
        self.lost_samples = 0
        """Samples that were overwritten before `read` came to them."""
        self.turns_given_up = 0
        """Turns that nobody heard because too many waited."""
        self.closed = False
        """The call is over."""
        self._read_through = False
        self._converted: ConvertedReader | None = None
        self._taken = 0
        self._link = link
        self._processing = processing
        self._stage: Stage = stage
        self._on_given_up = on_given_up
        self._on_handed = on_handed
        self._position = link.call.ear_written
        self._turns: deque[CallUtterance] = deque()
        self._changed = asyncio.Event()

    async def read(self, duration: float, *, audio_format: AudioFormat | None = None) -> AudioChunk | None:
        """The next `duration` seconds, in that form; None when the call is over."""
        if audio_format is None:
            self._converted = None
            return await self._read(duration)
        if self._converted is None or self._converted.target != audio_format:
            self._converted = ConvertedReader(self._read, source_hz=EAR_HZ, target=audio_format)
        return await self._converted.read(duration)

    async def _read(self, duration: float) -> AudioChunk | None:
        self._read_through = True
        self._turns.clear()  # whoever reads on hears them anyway
        samples = max(1, round(duration * EAR_HZ))
        reader = self._link.ear_reader()
        try:
            while self._link.call.ear_written < self._position + samples and not self._link.call.closed:
                await self._link.heard(reader, self._position + samples)
        finally:
            self._link.release(reader)
        pcm, start, lost = self._link.call.read_ear(self._position, samples)
        if not pcm:
            return None
        self.lost_samples += lost
        self._position = start + len(pcm) // 2
        self._on_handed(len(pcm) // 2)
        return await self._processing.run(AudioChunk(pcm, EAR_HZ, start / EAR_HZ), self._stage)

    async def utterances(self, *, audio_format: AudioFormat | None = None) -> AsyncIterator[CallUtterance]:
        """The caller's turns, one after another, until the call is over; their sound in that form."""
        while self._turns or not self.closed:
            if not self._turns:
                self._changed.clear()
                await self._changed.wait()
                continue
            turn = self._turns.popleft()
            turn.format = audio_format
            self._taken = max(self._taken, turn.turn_id)
            yield turn

    def was_handed(self, turn_id: int) -> bool:
        """Whether a recogniser has begun with that turn. One that has not will come to it yet."""
        if any(turn.turn_id == turn_id for turn in self._turns):
            return False
        return self._read_through or turn_id <= self._taken

    def begin_turn(self, turn_id: int, start: int) -> CallUtterance:
        """A turn has begun; its sound starts at sample `start`."""
        turn = CallUtterance(self._link, self._processing, self._stage, turn_id, start, self._on_handed)
        if self._read_through:
            return turn
        while len(self._turns) >= _TURNS_WAITING:
            self.turns_given_up += 1
            self._on_given_up(self._turns.popleft().turn_id)
        self._turns.append(turn)
        self._changed.set()
        return turn

    def hear_again(self, turn: CallUtterance) -> None:
        """Its recogniser failed: the next one hears it from its start, as far back as the sound is kept."""
        if self._read_through:
            self._position = min(self._position, turn.start)
        else:
            self._turns.appendleft(turn)
            self._changed.set()

    def close(self) -> None:
        """The call is over: `utterances` ends."""
        self.closed = True
        self._on_given_up = _ignore  # whoever is told holds this ear
        self._changed.set()


def _ignore(_: int) -> None: ...
