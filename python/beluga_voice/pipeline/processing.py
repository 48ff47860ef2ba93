"""The audio processors of one session at work: on a thread, each batch with a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.clock import in_flight
from beluga_voice.worker_pool import PoolFullError, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from beluga_voice.hooks.audio_processor import AudioProcessor, ProcessorFactory, Stage

__all__ = ["Processing"]

_log = logging.getLogger("beluga_voice.hooks")

# Both directions of a call use the one thread.
_BATCHES_WAITING = 2


class _Batch:
    """A chunk on its way through the processors of a stage, written by the thread and read by the loop."""

    def __init__(self, chunk: AudioChunk) -> None:
        self.asked = chunk
        self.chunk = chunk
        """As the processors so far have left it."""
        self.at: str | None = None
        """Who has it."""


class Processing:
    """Runs a session's processors, made when this is. `timeout_s`: how long a batch may take in all.

    A processor that fails at a chunk is passed by. One that is late has what those before it made go on without it; as
    long as it is at work no chunk is given to any: they pass at once, so that a hung one delays nothing but the first.
    """

    def __init__(self, factories: Sequence[ProcessorFactory], *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._processors = [(each.name, each.create()) for each in factories]
        self._stages = {stage for _, each in self._processors for stage in each.stages}
        # Of its own: a processor that hangs takes no other call's thread.
        self._pool = WorkerPool(1, waiting=_BATCHES_WAITING, name="beluga-voice-audio")
        self._stuck: Future[None] | None = None
        self._counts: Counter[str] = Counter()

    def handles(self, stage: Stage) -> bool:
        """Whether there is anything to do at that stage."""
        return stage in self._stages

    def stats(self) -> dict[str, int]:
        """`audio_batches_processed`; `..._failed`, `..._late`: passed by one processor, and of each by name.

        `audio_batches_passed`: given to none, because one was still at work on an earlier one.
        """
        counts = {f"audio_batches_{what}": self._counts[what] for what in ("processed", "failed", "late", "passed")}
        named = {name: count for name, count in sorted(self._counts.items()) if name.startswith("audio_processor_")}
        return counts | named if self._processors else {}

    async def run(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
        """What the stage's processors make of `chunk`, in `timeout_s` at most."""
        if stage not in self._stages or not chunk.pcm:
            return chunk
        if self._stuck is not None and not self._stuck.done():
            self._counts["passed"] += 1
            return chunk
        self._stuck = None
        batch = _Batch(chunk)
        try:
            running = self._pool.submit(lambda: self._process(batch, stage))
        except PoolFullError:
            self._counts["passed"] += 1
            return chunk
        landing = asyncio.get_running_loop().create_task(_landed(running), name="beluga-voice audio processors")
        try:
            await asyncio.wait({landing}, timeout=self._timeout_s)
        finally:
            if not landing.done():
                landing.cancel()
            if not running.done() and not running.cancel():
                self._stuck = running
        if running.done() and not running.cancelled():
            self._counts["processed"] += 1
            return batch.chunk
        at, made = batch.at, batch.chunk
        self._counts["late"] += 1
        if at is not None:
            self._counts[f"audio_processor_{at}_late"] += 1
        return made

    async def aclose(self) -> None:
        """Has each processor let go, on its thread, and waits for that as long as a batch may take."""
        if not self._processors:  # and so no thread
            return
        with suppress(PoolFullError):
            closing = self._pool.submit(self._close)
            landing = asyncio.get_running_loop().create_task(_landed(closing), name="beluga-voice audio processors")
            await asyncio.wait({landing}, timeout=self._timeout_s)
            if not landing.done():
                landing.cancel()
                await asyncio.wait({landing})
        self._pool.close()

    # -- on the thread --------------------------------------------------------------------------------------------

    def _process(self, batch: _Batch, stage: Stage) -> None:
        for name, processor in self._processors:
            if stage not in processor.stages:
                continue
            batch.at = name
            try:
                batch.chunk = _checked(processor.process(batch.chunk, stage), batch.asked)
            except (Exception, SystemExit) as error:  # whatever it is, the sound goes on
                self._note_failure(name, processor, error)
        batch.at = None

    def _note_failure(self, name: str, processor: AudioProcessor, error: BaseException) -> None:
        self._counts["failed"] += 1
        key = f"audio_processor_{name}_failed"
        self._counts[key] += 1
        if self._counts[key] == 1:
            _log.warning("the audio processor %s (%s) failed: %r", name, type(processor).__name__, error)

    def _close(self) -> None:
        for name, processor in self._processors:
            try:
                processor.close()
            except (Exception, SystemExit) as error:
                self._note_failure(name, processor, error)


async def _landed(running: Future[None]) -> None:
    async with in_flight("audio_processor"):
        await asyncio.wrap_future(running)


def _checked(made: object, asked: AudioChunk) -> AudioChunk:
    if not isinstance(made, AudioChunk):
        raise TypeError(f"process returned a {type(made).__name__}: allowed: an AudioChunk")
    if (len(made), made.sample_rate) != (len(asked), asked.sample_rate):
        raise ValueError(
            f"process returned {len(made)} samples at {made.sample_rate} Hz: "
            f"allowed: as many as it was given, {len(asked)} at {asked.sample_rate} Hz"
        )
    return made if made.start_s == asked.start_s else replace(made, start_s=asked.start_s)
