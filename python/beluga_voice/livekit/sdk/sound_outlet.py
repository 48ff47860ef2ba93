"""Where an agent's sound is handed to the SDK: a source without a queue, that takes 10 ms and confirms them later."""

from __future__ import annotations

import ctypes
import functools
import logging
from typing import TYPE_CHECKING, Any, Protocol

from livekit import rtc

from beluga_voice.livekit.sdk.media_events import media_events
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from beluga_voice.livekit.sdk.media_events import MediaEvents

__all__ = ["SoundOutlet", "sound_outlet"]

_log = logging.getLogger("beluga_voice.livekit")


class SoundOutlet(Protocol):
    """What takes an agent's sound."""

    @property
    def unconfirmed(self) -> int:
        """Frames that were taken and are not confirmed."""
        ...

    def capture(self, pcm: bytes) -> None:
        """Takes 10 ms, int16 mono at the source's rate."""

    async def aclose(self) -> None:
        """Takes nothing more."""


def sound_outlet(source: rtc.AudioSource) -> SoundOutlet:
    """The shortest way into `source` that this version of the SDK has; belongs to the running loop."""
    events = media_events(source)
    return AwaitedOutlet(source) if events is None else EventOutlet(source, events)


class EventOutlet:
    """Confirmed on a thread of the SDK's."""

    def __init__(self, source: Any, events: MediaEvents) -> None:
        self._source = source
        self._events = events
        # Each with the request that hands it over. Its memory is the SDK's until the frame is confirmed.
        self._frames = 0
        self._free: list[tuple[Any, Any]] = []

    @property
    def unconfirmed(self) -> int:
        """See `SoundOutlet`."""
        return self._frames - len(self._free)

    def capture(self, pcm: bytes) -> None:
        """See `SoundOutlet`."""
        if self._source._ffi_handle.disposed:
            return
        samples, request = frame = self._free.pop() if self._free else self._new_frame()
        ctypes.memmove(samples, pcm, ctypes.sizeof(samples))
        self._events.capture(request, functools.partial(self._on_confirmed, frame))

    def _new_frame(self) -> tuple[Any, Any]:
        self._frames += 1
        samples = (ctypes.c_int16 * (self._source.sample_rate // 100))()
        return samples, self._events.capture_request(self._source, samples)

    def _on_confirmed(self, frame: tuple[Any, Any], error: str) -> None:
        self._free.append(frame)
        if error:
            _warn_of(error)

    async def aclose(self) -> None:
        """See `SoundOutlet`."""


class AwaitedOutlet:
    """Confirmed by a task for each frame."""

    def __init__(self, source: rtc.AudioSource) -> None:
        self._source = source
        self._tasks = Tasks(self._failed)
        self.unconfirmed = 0

    def capture(self, pcm: bytes) -> None:
        """See `SoundOutlet`."""
        self.unconfirmed += 1
        frame = rtc.AudioFrame(pcm, self._source.sample_rate, 1, len(pcm) // 2)
        self._tasks.start(self._hand_over(frame), name="sdk capture")

    async def _hand_over(self, frame: rtc.AudioFrame) -> None:
        try:
            await self._source.capture_frame(frame)
        finally:
            self.unconfirmed -= 1

    def _failed(self, error: BaseException) -> None:
        _warn_of(error)

    async def aclose(self) -> None:
        """See `SoundOutlet`."""
        await self._tasks.cancel()


def _warn_of(error: str | BaseException) -> None:
    _log.warning("the SDK did not send 10 ms of an agent's sound: %s", error)
