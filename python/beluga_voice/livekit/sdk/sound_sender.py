"""Hands a call's output to the SDK, 10 ms at a time, in time or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from beluga_voice.livekit.sdk.sound_outlet import SoundOutlet

__all__ = ["SoundSender"]

# Of the core; and how often it is looked at whether it is over, in seconds.
_TICK_S = 0.01
_LOOK_S = 0.001

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


class SoundSender:
    """One frame for each 10 ms of the call, for ever: zeros while the agent is silent, since libwebrtc's RTP clock
    counts what it is fed, and a pause teaches the listener's jitter buffer a delay.
    """

    def __init__(self, call: _Output) -> None:
        self._call = call
        self.samples_lost = 0
        """Samples that could not be sent in time."""

    async def run(self, outlet: SoundOutlet) -> None:
        """Until the call is over."""
        call, rate_hz = self._call, self._call.output_hz
        frame_samples = round(_TICK_S * rate_hz)
        silence = bytes(2 * frame_samples)
        position = call.output_written
        loop = asyncio.get_running_loop()
        captured_s = loop.time() - _APART_S
        while await self._written(position + frame_samples):
            too_soon = outlet.unconfirmed > 0 and loop.time() - captured_s < _APART_S
            if too_soon or outlet.unconfirmed >= _MOST_UNCONFIRMED:
                await asyncio.sleep(_LOOK_S)
                continue
            waiting = call.output_written - position
            if waiting > _LATEST_S * rate_hz:
                position += waiting - frame_samples
                self.samples_lost += waiting - frame_samples
            pcm, start, lost = call.read_output(position, frame_samples)
            self.samples_lost += lost
            position = start + len(pcm) // 2
            if pcm != silence or waiting <= _LATE_S * rate_hz:
                outlet.capture(pcm)
                captured_s = loop.time()

    async def _written(self, position: int) -> bool:
        """Waits until the output is there; False when the call is over and it never will be.

        The core wakes the session's loop alone; but it keeps a tick: this looks just before one, and then often.
        """
        call = self._call
        if call.output_written < position:
            await asyncio.sleep(_TICK_S - _LOOK_S)
        while call.output_written < position:
            if call.closed:
                return False
            await asyncio.sleep(_LOOK_S)
        return not call.closed
