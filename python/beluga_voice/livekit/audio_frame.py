"""A frame of sound, as livekit.rtc has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["AudioFrame", "AudioFrameEvent"]

_BYTES_PER_SAMPLE = 2


class AudioFrame:
    """Sound: int16, channels interleaved, `num_channels * samples_per_channel` samples or more.

    Raises ValueError for fewer.
    """

    def __init__(
        self,
        data: bytes | bytearray | memoryview,
        sample_rate: int,
        num_channels: int,
        samples_per_channel: int,
        *,
        userdata: dict[str, Any] | None = None,
    ) -> None:
        view = memoryview(data).cast("B")
        if len(view) < num_channels * samples_per_channel * _BYTES_PER_SAMPLE:
            raise ValueError("data length must be >= num_channels * samples_per_channel * sizeof(int16)")
        if len(view) % _BYTES_PER_SAMPLE:
            raise ValueError("data length must be a multiple of sizeof(int16)")
        self._data = view
        self._sample_rate = sample_rate
        self._num_channels = num_channels
        self._samples_per_channel = samples_per_channel
        self._userdata: dict[str, Any] = {} if userdata is None else userdata

    @staticmethod
    def create(sample_rate: int, num_channels: int, samples_per_channel: int) -> AudioFrame:
        """Silence that may be written into."""
        size = num_channels * samples_per_channel * _BYTES_PER_SAMPLE
        return AudioFrame(bytearray(size), sample_rate, num_channels, samples_per_channel)

    @property
    def userdata(self) -> dict[str, Any]:
        """Whatever its maker wanted to go with it."""
        return self._userdata

    @property
    def data(self) -> memoryview:
        """The samples, int16, without a copy."""
        return self._data.cast("h")

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self._sample_rate

    @property
    def num_channels(self) -> int:
        """1 for mono."""
        return self._num_channels

    @property
    def samples_per_channel(self) -> int:
        """Its length in samples."""
        return self._samples_per_channel

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        return self._samples_per_channel / self._sample_rate

    def to_wav_bytes(self) -> bytes:
        """As a WAV file."""
        from beluga_voice._core import write_wav

        return write_wav(bytes(self._data), sample_rate=self._sample_rate, channels=self._num_channels)

    def __repr__(self) -> str:
        return (
            f"AudioFrame(sample_rate={self._sample_rate}, num_channels={self._num_channels}, "
            f"samples_per_channel={self._samples_per_channel}, duration={self.duration:.3f})"
        )


@dataclass
class AudioFrameEvent:
    """What an `AudioStream` yields."""

    frame: AudioFrame
