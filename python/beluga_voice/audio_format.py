"""Forms of sound, and the way from one to another.

Inside, sound is int16 and mono. Whoever brings it in another form says in which (`AudioFormat`), or hands over a numpy
array that says so itself: int16 or float32, of shape (n,) or, with two channels, (n, 2).
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from beluga_voice import _core
from beluga_voice.errors import AudioFormatError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["AudioConverter", "AudioFormat", "SampleFormat", "form_of", "int16_mono", "sound_in"]

SampleFormat = Literal["int16", "float32", "pcmu", "pcma"]

_SIZES: dict[str, int] = {"int16": 2, "float32": 4, "pcmu": 1, "pcma": 1}
_LOWEST_HZ, _HIGHEST_HZ = 8_000, 192_000
_MOST_CHANNELS = 2
# How buffers say what is in them (`memoryview.format`): bytes say nothing.
_UNTYPED = ("B", "b", "c")
_TYPED: dict[str, SampleFormat] = {"h": "int16", "<h": "int16", "f": "float32", "<f": "float32"}
_ALLOWED = (
    "allowed: a buffer of int16 or float32 of shape (n,) or (n, 2), or bytes with "
    f"AudioFormat(sample_rate, channels, {' | '.join(get_args(SampleFormat))})"
)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A form that sound can have.

    - `sample_rate`: 8000 to 192000 Hz.
    - `channels`: 1, or 2, one after the other in each frame.
    - `sample_format`: "int16" and "float32" (-1 to 1) are little-endian; "pcmu" and "pcma" are a byte a sample, G.711
      mu-law and A-law.

    Raises AudioFormatError invalid_format.
    """

    sample_rate: int
    channels: int = 1
    sample_format: SampleFormat = "int16"

    def __post_init__(self) -> None:
        for name, lowest, highest, unit in (
            ("sample_rate", _LOWEST_HZ, _HIGHEST_HZ, " Hz"),
            ("channels", 1, _MOST_CHANNELS, ""),
        ):
            value = _whole(getattr(self, name))
            if value is None or not lowest <= value <= highest:
                given: object = getattr(self, name)
                raise _invalid(f"{name} = {given!r}: allowed: a whole number from {lowest} to {highest}{unit}")
            object.__setattr__(self, name, value)
        if self.sample_format not in get_args(SampleFormat):
            raise _invalid(f"sample_format = {self.sample_format!r}: allowed: {', '.join(get_args(SampleFormat))}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * _SIZES[self.sample_format]


class AudioConverter:
    """Converts a stream piece by piece: how it is cut makes no difference to a sample.

    A change of rate holds back up to 5 ms, which `flush` brings.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.source = source
        self.target = target
        # Two channels are resampled as two, and only if both sides have them.
        channels = min(source.channels, target.channels)
        rates = (source.sample_rate, target.sample_rate)
        self._resamplers = [_core.Resampler(*rates) for _ in range(channels)] if rates[0] != rates[1] else []
        self._channels = channels

    def convert(self, sound: Buffer) -> bytes:
        """The next piece, as far as it can be told already.

        Raises AudioFormatError invalid_format for what is not of the source's format, conversion_failed for floats that
        are no numbers.
        """
        data = sound_in(self.source, sound)
        if self.source == self.target:
            return bytes(data)
        frames = _with_channels(_decoded(self.source, data), self._channels)
        if self._resamplers:
            frames = self._resampled([each.process(_bytes(frames[:, at])) for at, each in enumerate(self._resamplers)])
        return self._encoded(frames)

    def flush(self) -> bytes:
        """What was held back; then the converter is as new."""
        return self._encoded(self._resampled([each.flush() for each in self._resamplers])) if self._resamplers else b""

    @staticmethod
    def _resampled(channels: list[bytes]) -> NDArray[np.int16]:
        import numpy as np

        return np.stack([np.frombuffer(each, "<i2") for each in channels], axis=1)

    def _encoded(self, frames: NDArray[np.int16]) -> bytes:
        return _encoded(_with_channels(frames, self.target.channels), self.target.sample_format)


def sound_in(form: AudioFormat, sound: Buffer) -> memoryview:
    """The bytes of `sound`, which is in that form. Raises AudioFormatError invalid_format if it cannot be."""
    view = _view(sound)
    known = _TYPED.get(view.format)
    fits = view.ndim == 1 if view.format in _UNTYPED else known == form.sample_format and _channels(view) in (
        form.channels,
        1,  # one after the other in one row
    )  # fmt: skip
    if not fits or view.nbytes % form.frame_bytes:
        raise _invalid(
            f"{_shown(view)} is not {form.sample_format} with {form.channels} "
            f"channel{'s' if form.channels > 1 else ''}: {_ALLOWED}"
        )
    return _flat(view)


def form_of(sound: Buffer, sample_rate: int) -> AudioFormat:
    """The form that an array says itself that it has; bytes are int16 and mono. Raises AudioFormatError."""
    view = _view(sound)
    if view.format in _UNTYPED and view.ndim == 1:
        return AudioFormat(sample_rate)
    known, channels = _TYPED.get(view.format), _channels(view)
    if known is None or not 1 <= channels <= _MOST_CHANNELS:
        raise _invalid(f"sound is {_shown(view)}: {_ALLOWED}")
    return AudioFormat(sample_rate, channels, known)


def int16_mono(sound: Buffer, form: AudioFormat | None = None) -> memoryview:
    """`sound` as int16 and mono, at the rate that it has. Without `form` the buffer says what it is; bytes are int16.

    Raises AudioFormatError invalid_format, and conversion_failed for floats that are no numbers.
    """
    if form is None:
        view = _view(sound)
        if view.format in (*_UNTYPED, "h", "<h") and view.ndim == 1 and view.nbytes % 2 == 0:
            return _flat(view)
        form = form_of(sound, _LOWEST_HZ)  # the rate makes no difference
    data = sound_in(form, sound)
    if form.sample_format == "int16" and form.channels == 1:
        return data
    return memoryview(_bytes(_with_channels(_decoded(form, data), 1)[:, 0]))


def _decoded(form: AudioFormat, data: memoryview) -> NDArray[np.int16]:
    """int16, (n, channels)."""
    import numpy as np

    if form.sample_format == "float32":
        floats = np.frombuffer(data, "<f4")
        if not np.isfinite(floats).all():
            raise AudioFormatError(
                "sound has float32 samples that are no numbers: allowed: finite ones, from -1 to 1",
                code="conversion_failed",
            )
        samples = np.minimum(np.rint(np.clip(floats, -1, 1) * np.float32(32_768)), 32_767).astype(np.int16)
    elif form.sample_format == "int16":
        samples = np.frombuffer(data, "<i2")
    else:
        samples = _expansion(form.sample_format)[np.frombuffer(data, np.uint8)]
    return samples.reshape(-1, form.channels)


def _encoded(frames: NDArray[np.int16], sample_format: SampleFormat) -> bytes:
    import numpy as np

    if sample_format == "float32":
        return (frames.astype("<f4") / np.float32(32_768)).tobytes()
    if sample_format == "int16":
        return _bytes(frames)
    return _compression(sample_format)[np.ascontiguousarray(frames).view(np.uint16)].tobytes()


def _codec(sample_format: SampleFormat) -> _core.MuLaw | _core.ALaw:
    return _core.MuLaw() if sample_format == "pcmu" else _core.ALaw()


@cache
def _expansion(sample_format: SampleFormat) -> NDArray[np.int16]:
    """What each byte of G.711 stands for: a sample does not depend on those beside it."""
    import numpy as np

    every = bytes(range(256)) + bytes(64)  # the codec takes frames of 160
    return np.frombuffer(_codec(sample_format).decode(every), "<i2")[:256]


@cache
def _compression(sample_format: SampleFormat) -> NDArray[np.uint8]:
    """The byte of G.711 for each sample, by its bits as a whole number from 0 on."""
    import numpy as np

    codec = _codec(sample_format)
    every = np.arange(-(-65_536 // 160) * 160).astype("<u2")
    frames = [codec.encode(every[start : start + 160].tobytes()) for start in range(0, len(every), 160)]
    return np.frombuffer(b"".join(frames), np.uint8)[:65_536]


def _with_channels(frames: NDArray[np.int16], channels: int) -> NDArray[np.int16]:
    """Two channels become their mean, one becomes both."""
    import numpy as np

    if frames.shape[1] == channels:
        return frames
    if channels == 1:
        return (frames.astype(np.int32).sum(axis=1, keepdims=True) >> 1).astype(np.int16)
    return np.repeat(frames, channels, axis=1)


def _bytes(samples: NDArray[np.int16]) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()


def _view(sound: Buffer) -> memoryview[Any]:
    try:
        return memoryview(sound)
    except (TypeError, ValueError):  # no buffer, or one that was let go of
        raise _invalid(f"sound is a {type(cast('object', sound)).__name__}: {_ALLOWED}") from None


def _flat(view: memoryview[Any]) -> memoryview:
    if view.nbytes == 0:
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def _channels(view: memoryview[Any]) -> int:
    """More than there may be where the shape has nothing to do with sound."""
    return 1 if view.ndim == 1 else view.shape[1] if view.ndim == 2 and view.shape is not None else _MOST_CHANNELS + 1


def _shown(view: memoryview[Any]) -> str:
    return f"a buffer of format {view.format!r} and shape {view.shape}"


def _whole(value: object) -> int | None:
    try:
        return operator.index(cast("Any", value))
    except TypeError:
        return None


def _invalid(message: str) -> AudioFormatError:
    return AudioFormatError(message, code="invalid_format")
