"""Where an agent's sound is handed to the SDK: a source without a queue, that takes 10 ms and confirms them later."""

from __future__ import annotations

import ctypes
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
    events = media_events()
    return AwaitedOutlet(source) if events is None else EventOutlet(source, events)


class EventOutlet:
    """Confirmed on a thread of the SDK's."""

    def __init__(self, source: Any, events: MediaEvents) -> None:
        self._source = source
        self._events = events
        # Two counts, each by one thread at a time: the SDK tells of one event after another.
        self._taken = 0
        self._confirmed = 0
        self._pcm = (ctypes.c_int16 * (source.sample_rate // 100))()
        self._request = events.capture_request(source, self._pcm)

    @property
    def unconfirmed(self) -> int:
        """See `SoundOutlet`."""
        return self._taken - self._confirmed

    def capture(self, pcm: bytes) -> None:
        """See `SoundOutlet`."""
        if self._source._ffi_handle.disposed:
            return
        ctypes.memmove(self._pcm, pcm, 2 * len(self._pcm))
        self._taken += 1
        self._events.capture(self._request, self._on_confirmed)

    def _on_confirmed(self, error: str) -> None:
        self._confirmed += 1
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
