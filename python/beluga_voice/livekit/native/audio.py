"""Sound of tracks for `AudioSource` and `AudioStream`, through calls of the core that serve no session."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from beluga_voice import _core
from beluga_voice.config import TurnHandling, VadOptions
from beluga_voice.errors import TransportError
from beluga_voice.livekit.audio_frame import AudioFrame
from beluga_voice.transport import CallSettings

if TYPE_CHECKING:
    from beluga_voice.call_link import CallLink
    from beluga_voice.livekit.native.ears import Ears

__all__ = ["NativeAudioFeed", "NativeAudioSink", "bare_call"]

_EAR_HZ = 16_000
_FRAME_S = 0.01
# A packet holds no more than 400 bytes of 20 ms.
_MOST_BITRATE_BPS = 160_000


def bare_call(room: _core.Room, *, output_hz: int, max_bitrate_bps: int = 0) -> CallLink:
    """A call in the room that nobody takes turns in. Raises ConfigError for a bitrate that Opus does not have."""
    settings = CallSettings(
        vad="energy", vad_options=VadOptions(), turn_handling=TurnHandling(), user_away_timeout=None
    )
    if max_bitrate_bps:
        settings = replace(settings, bitrate_bps=min(max(0, max_bitrate_bps), _MOST_BITRATE_BPS))
    return settings.open(codec="opus", input_hz=48_000, output_hz=output_hz, output_codec="opus", room=room)


class NativeAudioSink:
    """A published track's voice: one utterance that never ends."""

    def __init__(self, link: CallLink, *, sample_rate: int, num_channels: int, queue_size_ms: int) -> None:
        self._link = link
        self._rate_hz = sample_rate
        self._channels = num_channels
        self._queue_samples = max(queue_size_ms, 10) * sample_rate // 1000
        self._utterance = self._begin()
        self._written = 0

    def _begin(self) -> int:
        return self._link.call.begin_utterance(
            allow_interruptions=False, min_interruption_ms=500, interruption_action="pause"
        )

    async def capture(self, frame: AudioFrame) -> None:
        """Queues a frame; waits while there is no room."""
        call = self._link.call
        while call.stats()["mouth_waiting_samples"] > self._queue_samples and not call.closed:  # noqa: ASYNC110 - of the core
            await asyncio.sleep(_FRAME_S)
        pcm = _mono(frame.data, self._channels)
        await self._link.write_mouth(pcm, lambda rest: call.write_mouth(rest, self._rate_hz))

    def clear(self) -> None:
        """Drops what is queued."""
        call = self._link.call
        if not call.closed:
            call.end_utterance()
            call.drop_utterance(self._utterance)
            self._utterance = self._begin()


class NativeAudioFeed:
    """A remote track's sound, as the core hears it: at 16 kHz, brought to the rate that was asked for."""

    def __init__(self, ears: Ears, sid: str, *, sample_rate: int, num_channels: int, frame_size_ms: int | None) -> None:
        self._ears = ears
        self._sid = sid
        self._rate_hz = sample_rate
        self._channels = num_channels
        self._samples = _EAR_HZ * (frame_size_ms or 10) // 1000
        self._resampler = _core.Resampler(_EAR_HZ, sample_rate) if sample_rate != _EAR_HZ else None
        self._closed = False
        self._sit_down(ears.of(sid))

    def _sit_down(self, link: CallLink) -> None:
        self._reader = link.ear_reader()
        self._position = link.call.ear_written
        self._link = link
        self._ears.enter(link)

    async def _get_up(self) -> None:
        self._link.release(self._reader)
        await self._ears.leave(self._link)

    async def read(self) -> AudioFrame | None:
        """The next frame; None when the track is gone."""
        while True:
            if self._closed:
                return None
            try:
                link = self._ears.of(self._sid)
            except TransportError:  # the room is gone
                return None
            if link is not self._link:
                await self._get_up()
                self._sit_down(link)
            if link.call.ear_written >= self._position + self._samples:
                break
            if not link.call.closed:
                await link.heard(self._reader, self._position + self._samples)
        pcm, start, _ = link.call.read_ear(self._position, self._samples)
        self._position = start + len(pcm) // 2
        if self._resampler is not None:
            pcm = self._resampler.process(pcm)
        count = len(pcm) // 2
        return AudioFrame(_spread(pcm, self._channels), self._rate_hz, self._channels, count)

    async def aclose(self) -> None:
        """Lets go of it."""
        if not self._closed:
            self._closed = True
            self._reader.wake()
            await self._get_up()


def _mono(samples: memoryview, channels: int) -> memoryview:
    """The mean of the channels."""
    if channels == 1:
        return samples
    import numpy as np

    frames = np.frombuffer(samples, dtype=np.int16).reshape(-1, channels)
    return memoryview(frames.mean(axis=1).astype(np.int16))


def _spread(pcm: bytes, channels: int) -> bytes:
    """The same in every channel."""
    if channels == 1:
        return pcm
    import numpy as np

    return np.repeat(np.frombuffer(pcm, dtype=np.int16), channels).tobytes()
