"""WAV files in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice import _core
from beluga_voice.core_errors import translated
from beluga_voice.errors import AudioFormatError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["read_wav", "write_wav"]


def read_wav(data: bytes) -> tuple[bytes, int, int]:
    """Samples of all channels interleaved as int16, the rate in Hz, the number of channels.

    Reads PCM of 8 to 32 bits, float of 32 and 64, mu-law and A-law; sound that is cut short as far as it goes. NaN and
    infinite samples are silence, what is louder than full scale is cut off there.

    Raises AudioFormatError, which says what is wrong, or what the file is instead.
    """
    with translated():
        return _core.read_wav(data)


def write_wav(pcm: Buffer, *, sample_rate: int, channels: int = 1) -> bytes:
    """A WAV file of int16 samples, interleaved by channel. Raises AudioFormatError."""
    size = memoryview(pcm).nbytes
    if not 1 <= channels <= 0xFFFF or size % (2 * channels):
        raise AudioFormatError(
            f"channels = {channels} with {size} bytes of sound: allowed: whole frames of 1 to 65535 channels"
        )
    with translated():
        return _core.write_wav(pcm, sample_rate=sample_rate, channels=channels)
