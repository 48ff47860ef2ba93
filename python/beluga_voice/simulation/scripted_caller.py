"""A caller who follows a script by his ears: he hears 20 ms, decides, says 20 ms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from beluga_voice.errors import SessionError
from beluga_voice.simulation.caller_voice import CALLER_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.audio_chunk import AudioChunk
    from beluga_voice.simulation.call_line import CallLine
    from beluga_voice.simulation.caller_voice import Utterance
    from beluga_voice.simulation.script import CallerScript

__all__ = ["ScriptedCaller", "SpokenLine"]

_FRAME_S = 0.02
_FRAME_SAMPLES = round(_FRAME_S * CALLER_HZ)

# Said ahead, so that a busy machine cuts no hole into a word.
_AHEAD_FRAMES = 5

# Louder than this the agent speaks (dBFS, RMS over 20 ms).
_VOICE_DBFS = -50.0

# The agent has finished when it was silent for this long: between its sentences it is silent for less.
_FINISHED_S = 0.8


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line as it was said: `onset_s` and `end_s` are its first and last voiced sample in the caller's sound."""

    text: str
    onset_s: float
    end_s: float
    over_agent: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {"text": self.text, "onset_s": self.onset_s, "end_s": self.end_s, "over_agent": self.over_agent}


class ScriptedCaller:
    """Plays a script's spoken lines into a call, over the noise of his room.

    He knows of the agent what he hears of it, and nothing else.
    """

    def __init__(self, script: CallerScript, utterances: Sequence[Utterance]) -> None:
        self.spoken: list[SpokenLine] = []
        self.outcome: Literal["talking", "done", "unanswered", "hung_up_on"] = "talking"
        """`unanswered`: he gave up waiting for an answer to the last of `spoken`."""
        self._script = script
        self._waiting = list(utterances)
        self._noise = _Noise(script.noise_dbfs, script.noise_seed)
        self._said: list[NDArray[np.int16]] = []
        self._voice_left: NDArray[np.int16] | None = None
        self._hears = _Hearing()

    @property
    def sound(self) -> bytes:
        """All that he said, int16 at 16 kHz: the sound that the labels of `spoken` lie in."""
        import numpy as np

        return np.concatenate(self._said).astype("<i2").tobytes() if self._said else b""

    async def talk(self, call: CallLine) -> None:
        """The whole call: returns when the script is through, the agent has hung up or patience has ended."""
        try:
            for _ in range(_AHEAD_FRAMES):
                await call.write(self._next_frame().tobytes())
            while self.outcome == "talking":
                heard = await call.read(_FRAME_S)
                if heard is None:
                    break
                self._hears.take(heard)
                self._decide()
                await call.write(self._next_frame().tobytes())
        except SessionError:  # the agent hung up between two frames
            pass
        if self.outcome == "talking":
            self.outcome = "hung_up_on" if self._waiting or not self._answered else "done"

    def _decide(self) -> None:
        """Begins the next line, or ends the call, when it is time to."""
        if self._voice_left is not None:
            return
        answered = self._answered
        if not answered and self._next_s - self._last_end_s > self._script.patience_s:
            self.outcome = "unanswered"
            return
        if not self._waiting:
            if answered and self._hears.silent_for_s(self._next_s) >= _FINISHED_S:
                self.outcome = "done"
            return
        begin_s = self._begin_s(answered=answered)
        if begin_s is not None and begin_s < self._next_s + _FRAME_S:
            self._begin_line(max(begin_s, self._next_s))

    def _begin_s(self, *, answered: bool) -> float | None:
        """When the next line is due, on the axis of the caller's sound; None while that cannot be known."""
        line = self._waiting[0].line
        if not answered:
            return None
        if not self.spoken and not self._script.waits_for_greeting:
            return line.wait_s
        if line.begin == "over":
            begun_s = self._hears.voice_since_s(self._last_end_s)
            return None if begun_s is None else begun_s + line.wait_s
        return self._hears.last_voice_s + max(line.wait_s, _FINISHED_S)

    def _begin_line(self, begin_s: float) -> None:
        import numpy as np

        utterance = self._waiting.pop(0)
        lead = round((begin_s - self._next_s) * CALLER_HZ)
        self._voice_left = np.concatenate([np.zeros(lead, dtype=np.int16), utterance.samples])
        onset_s = self._next_s + lead / CALLER_HZ
        line = utterance.line
        self.spoken.append(
            SpokenLine(line.words, onset_s, onset_s + utterance.duration_s, over_agent=line.begin == "over")
        )

    def _next_frame(self) -> NDArray[np.int16]:
        import numpy as np

        frame = self._noise.frame(_FRAME_SAMPLES)
        if self._voice_left is not None:
            voice = self._voice_left[:_FRAME_SAMPLES]
            frame[: len(voice)] += voice
            rest = self._voice_left[_FRAME_SAMPLES:]
            self._voice_left = rest if len(rest) else None
        samples = np.clip(np.rint(frame), -32_768, 32_767).astype(np.int16)
        self._said.append(samples)
        return samples

    @property
    def _answered(self) -> bool:
        """Whether the agent has said something since the last line; nothing is owed for the first one."""
        owed = self.spoken or self._script.waits_for_greeting
        return not owed or self._hears.voice_since_s(self._last_end_s) is not None

    @property
    def _next_s(self) -> float:
        """Where the next frame to be said begins."""
        return len(self._said) * _FRAME_S

    @property
    def _last_end_s(self) -> float:
        return self.spoken[-1].end_s if self.spoken else 0.0


class _Hearing:
    """When the agent's voice was heard."""

    def __init__(self) -> None:
        self.last_voice_s = 0.0
        self._starts_s: list[float] = []
        self._silent_s = _FINISHED_S

    def take(self, chunk: AudioChunk) -> None:
        if level_dbfs(chunk) <= _VOICE_DBFS:
            self._silent_s += chunk.duration_s
            return
        if self._silent_s >= _FINISHED_S:
            self._starts_s.append(chunk.start_s)
        self._silent_s = 0.0
        self.last_voice_s = chunk.end_s

    def voice_since_s(self, since_s: float) -> float | None:
        """When the agent began to speak after `since_s`; None if it has not."""
        return next((start_s for start_s in self._starts_s if start_s > since_s), None)

    def silent_for_s(self, now_s: float) -> float:
        return now_s - self.last_voice_s


class _Noise:
    """Room noise: white noise through a gentle low-pass, seeded."""

    def __init__(self, level_dbfs: float, seed: int) -> None:
        import numpy as np

        self._random = np.random.default_rng(seed)
        self._rms = 10 ** (level_dbfs / 20) * 32_768
        self._last = 0.0

    def frame(self, samples: int) -> NDArray[np.float64]:
        import numpy as np

        white = self._random.normal(0.0, self._rms * 2**0.5, samples)
        # The mean of neighbours: half the power, and none of it near the Nyquist frequency, as rooms have it.
        smooth = (white + np.concatenate([[self._last], white[:-1]])) / 2
        self._last = float(white[-1])
        return smooth


def level_dbfs(chunk: AudioChunk) -> float:
    """Root mean square of its samples; -120 for silence."""
    import numpy as np

    if not len(chunk):
        return -120.0
    rms = float(np.sqrt(np.mean((chunk.samples / 32_768.0) ** 2)))
    return 20 * float(np.log10(max(rms, 1e-6)))
