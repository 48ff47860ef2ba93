"""A caller who plays a WAV file, then waits until the agent has answered and finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from beluga_voice import _core
from beluga_voice.core_errors import translated
from beluga_voice.errors import AudioFormatError, SessionError
from beluga_voice.simulation.scripted_caller import level_dbfs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from beluga_voice.simulation.call_line import CallLine

__all__ = ["FileCaller", "WavFile"]

_FRAME_S = 0.02
_AHEAD_FRAMES = 5

# A file that holds more than an hour is a mistake, and its recording would fill the memory.
_LONGEST_S = 3_600.0


class WavFile:
    """A WAV file as one caller's voice: mono int16 at the file's own rate; channels are averaged.

    Raises AudioFormatError, in words that name the file.
    """

    def __init__(self, path: Path) -> None:
        import numpy as np

        try:
            with translated():
                pcm, self.sample_rate, channels = _core.read_wav(path.read_bytes())
        except AudioFormatError as error:
            raise AudioFormatError(f"{path}: {error.message}", details={"path": str(path)}) from None
        samples = np.frombuffer(pcm, dtype="<i2")
        frames = samples[: len(samples) // channels * channels].reshape(-1, channels)
        mono = frames[:, 0] if channels == 1 else np.rint(frames.mean(axis=1)).astype("<i2")
        self.pcm = mono.astype("<i2").tobytes()
        self._check(path)

    @property
    def duration_s(self) -> float:
        """How long it lasts, in seconds."""
        return len(self.pcm) / 2 / self.sample_rate

    def _check(self, path: Path) -> None:
        if not self.pcm:
            raise AudioFormatError(f"{path}: the file holds no sound", details={"path": str(path)})
        if self.duration_s > _LONGEST_S:
            raise AudioFormatError(
                f"{path}: {self.duration_s:.0f} s of sound: allowed: {_LONGEST_S:.0f} s", details={"path": str(path)}
            )


class FileCaller:
    """Plays the file at the call's own pace, then silence until the call is quiet.

    - `settled`: whether nothing is being heard, thought or said any more; asked every 20 ms.
    - `quiet_s`: how long that has to last.
    - `patience_s`: how long the silence after the file lasts at most.
    """

    def __init__(
        self, file: WavFile, *, settled: Callable[[], bool], quiet_s: float = 2.0, patience_s: float = 60.0
    ) -> None:
        self.outcome: Literal["talking", "done", "unfinished", "hung_up_on"] = "talking"
        """`unfinished`: the agent was still busy when patience ended; `hung_up_on`: it ended the call."""
        self._frame = round(_FRAME_S * file.sample_rate)
        self._pcm = file.pcm
        self._position = 0
        self._settled = settled
        self._quiet_s = quiet_s
        self._patience_s = patience_s

    async def talk(self, call: CallLine) -> None:
        """The whole call."""
        quiet_s = silence_s = 0.0
        try:
            for _ in range(_AHEAD_FRAMES):
                await call.write(self._next_frame())
            while (heard := await call.read(_FRAME_S)) is not None:
                if self._position >= len(self._pcm):
                    silence_s += _FRAME_S
                    quiet = self._settled() and level_dbfs(heard) < -60.0
                    quiet_s = quiet_s + _FRAME_S if quiet else 0.0
                if quiet_s >= self._quiet_s or silence_s >= self._patience_s:
                    self.outcome = "done" if quiet_s >= self._quiet_s else "unfinished"
                    return
                await call.write(self._next_frame())
        except SessionError:  # the agent hung up between two frames
            pass
        self.outcome = "hung_up_on"

    def _next_frame(self) -> bytes:
        size = 2 * self._frame
        frame = self._pcm[self._position : self._position + size]
        self._position += len(frame)
        return frame.ljust(size, b"\0")
