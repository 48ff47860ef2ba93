"""The signal parts on their own: resampler, codecs, voice activity, WAV.

Sound is mono int16, any buffer of it (a numpy array of shape (n,), or bytes), and comes back as bytes.

    from beluga_voice.audio import Resampler

    resampler = Resampler(48_000, 16_000)
    pcm_16k = resampler.process(pcm_48k) + resampler.flush()
"""

from __future__ import annotations

from beluga_voice._core import ALaw, MuLaw, OpusDecoder, OpusEncoder, Resampler
from beluga_voice.audio.silero import SileroVad
from beluga_voice.audio.wav import read_wav, write_wav
from beluga_voice.audio_format import AudioConverter, AudioFormat

__all__ = [
    "ALaw",
    "AudioConverter",
    "AudioFormat",
    "MuLaw",
    "OpusDecoder",
    "OpusEncoder",
    "Resampler",
    "SileroVad",
    "read_wav",
    "write_wav",
]
