"""Hands a call's output to the SDK, 10 ms at a time, in time or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from beluga_voice import _core
    from beluga_voice._loop import Drained
    from beluga_voice.livekit.sdk.sound_outlet import SoundOutlet

__all__ = ["SoundSender"]

# Of the core, in seconds.
_TICK_S = 0.01

# What may wait to be sent, in seconds. Policy: silence that waits longer than the one is left out, sound that waits
# longer than the other is dropped: sent late it would pile up in the jitter buffer and delay all that follows.
_LATE_S, _LATEST_S = 0.05, 0.2

# Frames that the SDK has taken and not confirmed. It confirms by way of a thread that wants the interpreter: on a busy
# machine that takes 20 ms and more, and one frame at a time would be too slow.
_MOST_UNCONFIRMED = 8
# Between a frame that is not confirmed and the next, in seconds: the SDK hands over each by a task of its own, in the
# order in which they run.
_APART_S = 0.002


class _Output(Protocol):
    """What of a `_core.Call` is used."""

    @property
    def closed(self) -> bool: ...
    @property
    def output_hz(self) -> int: ...
    @property
    def output_written(self) -> int: ...
    def read_output(self, start: int, max_samples: int, /) -> tuple[bytes, int, int]: ...
    def notify_output(self, bell: _core.Bell, /) -> None: ...


class _Link(Protocol):
    """What of a `LoopLink` is used."""

    def bell(self) -> _core.Bell: ...
    def add(self, call: Drained, bell: _core.Bell, /) -> None: ...
    def discard(self, call: Drained, /) -> None: ...


class SoundSender:
    """One frame for each 10 ms of the call, for ever: zeros while the agent is silent, since libwebrtc's RTP clock
    counts what it is fed, and a pause teaches the listener's jitter buffer a delay.
    """

    def __init__(self, call: _Output) -> None:
        self._call = call
        self._frame_samples = round(_TICK_S * call.output_hz)
        self._silence = bytes(2 * self._frame_samples)
        self._position = call.output_written
        self.samples_lost = 0
        """Samples that could not be sent in time."""

    async def run(self, outlet: SoundOutlet, link: _Link) -> None:
        """Until the call is over. `link` is the running loop's."""
        self._outlet = outlet
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._captured_s = self._loop.time() - _APART_S
        self._again: asyncio.TimerHandle | None = None
        bell = link.bell()
        self._call.notify_output(bell)
        link.add(self, bell)
        try:
            await self._over
        finally:
            link.discard(self)

    def drain(self) -> None:
        """The core has written 10 ms, or the call is over."""
        if self._again is not None or self._over.done():
            return
        if self._call.closed:
            self._over.set_result(None)
            return
        try:
            self._send()
        except Exception as error:  # `run` raises it: it would come again with every tick
            self._over.set_exception(error)

    def abandon(self) -> None:
        """The loop was closed, and `run` with it."""

    def _send(self) -> None:
        while (waiting := self._call.output_written - self._position) >= self._frame_samples:
            if not self._may_capture():
                self._again = self._loop.call_later(_APART_S, self._send_again)
                return
            self._send_frame(waiting)

    def _send_again(self) -> None:
        self._again = None
        self.drain()

    def _may_capture(self) -> bool:
        unconfirmed = self._outlet.unconfirmed
        return unconfirmed == 0 or (
            unconfirmed < _MOST_UNCONFIRMED and self._loop.time() - self._captured_s >= _APART_S
        )

    def _send_frame(self, waiting: int) -> None:
        rate_hz = self._call.output_hz
        if waiting > _LATEST_S * rate_hz:
            self._position += waiting - self._frame_samples
            self.samples_lost += waiting - self._frame_samples
        pcm, start, lost = self._call.read_output(self._position, self._frame_samples)
        self.samples_lost += lost
        self._position = start + len(pcm) // 2
        if pcm != self._silence or waiting <= _LATE_S * rate_hz:
            self._outlet.capture(pcm)
            self._captured_s = self._loop.time()
