"""A caller who follows a script on a `LocalCall`: he says tone words, waits, listens, talks over the agent.

caller = ScriptedCaller([Say("able bake"), Answered(), TalkOver("calm", after=0.3), Answered(), Silence(1)])
session = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
async with session:
    call = LocalCall()
    await session.start(call)
    await caller.talk(call)
assert caller.heard_words == [...]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from beluga_voice.errors import SessionError
from beluga_voice.testing.tone_words import noise, silence, spoken, understood

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.providers.local.call import LocalCall

__all__ = ["Answered", "HangUp", "Noise", "Said", "Say", "ScriptedCaller", "Silence", "Step", "TalkOver"]

_FRAME_S = 0.02
# The agent has finished when it was silent for this long, in seconds: between two sentences it is silent for less.
_FINISHED_S = 0.8
# Louder than this, of 32768, the agent speaks.
_VOICE = 300


@dataclass(frozen=True, slots=True)
class Said:
    """Something that the caller said: `start_s` and `end_s` bound its sound, in seconds of the session."""

    text: str
    start_s: float
    end_s: float


class Step(Protocol):
    """One line of a script."""

    async def perform(self, caller: ScriptedCaller) -> None:
        """Does it, with the caller's `play`."""
        ...


@dataclass(frozen=True, slots=True)
class Say:
    """Says tone words."""

    text: str

    async def perform(self, caller: ScriptedCaller) -> None:
        """See `Step`."""
        await caller.say(self.text)


@dataclass(frozen=True, slots=True)
class Silence:
    """Says nothing for `duration` seconds."""

    duration: float

    async def perform(self, caller: ScriptedCaller) -> None:
        """See `Step`."""
        await caller.play(silence(self.duration, caller.sample_rate))


@dataclass(frozen=True, slots=True)
class Noise:
    """Makes a loud noise without a word in it, for `duration` seconds; `seed` makes it the same noise each time."""

    duration: float
    seed: int = 0

    async def perform(self, caller: ScriptedCaller) -> None:
        """See `Step`."""
        await caller.play(noise(self.duration, caller.sample_rate, seed=self.seed))


@dataclass(frozen=True, slots=True)
class Answered:
    """Waits until the agent has spoken and finished since the caller's last words, or `timeout` seconds."""

    timeout: float = 10.0

    async def perform(self, caller: ScriptedCaller) -> None:
        """See `Step`."""
        until_s = caller.now_s + self.timeout
        while caller.now_s < until_s:
            if caller.agent_spoke_since(caller.last_end_s) and caller.agent_silent_s >= _FINISHED_S:
                return
            await caller.play(silence(_FRAME_S, caller.sample_rate))


@dataclass(frozen=True, slots=True)
class TalkOver:
    """Waits until the agent has been speaking for `after` seconds (at most `timeout` seconds), then says tone words."""

    text: str
    after: float = 0.3
    timeout: float = 10.0

    async def perform(self, caller: ScriptedCaller) -> None:
        """See `Step`."""
        until_s = caller.now_s + self.timeout
        while caller.now_s < until_s and not (
            caller.agent_spoke_since(caller.last_end_s) and caller.agent_speaking_s >= self.after
        ):
            await caller.play(silence(_FRAME_S, caller.sample_rate))
        await caller.say(self.text)


@dataclass(frozen=True, slots=True)
class HangUp:
    """Leaves; what comes after it in a script is not done."""

    async def perform(self, caller: ScriptedCaller) -> None:
        """See `Step`."""
        await caller.hang_up()


class ScriptedCaller:
    """See the module. He hears 20 ms, then says 20 ms: both sides are on the session's time axis."""

    def __init__(self, script: Iterable[Step]) -> None:
        self.said: list[Said] = []
        """What he said, in order."""
        self.hung_up_on = False
        """Whether the call ended under him."""
        self.sample_rate = 16_000
        self._script = list(script)
        self._heard: list[NDArray[np.int16]] = []
        self._heard_hz = 24_000
        self._call: LocalCall | None = None
        self._written_s = 0.0
        self._heard_s = 0.0
        self._voice_began_s: float | None = None
        self._voice_last_s = float("-inf")

    async def talk(self, call: LocalCall) -> None:
        """The whole script; returns at its end, or when the call is over."""
        self._call, self.sample_rate = call, call.sample_rate
        try:
            for step in self._script:
                await step.perform(self)
                if isinstance(step, HangUp):
                    break
        except SessionError as over:
            if over.code != "session_not_active":
                raise
            self.hung_up_on = True

    # -- what he has heard ----------------------------------------------------------------------------------------

    @property
    def heard(self) -> NDArray[np.int16]:
        """What he heard: int16, shape (n,), at `heard_hz`, from the beginning of his script."""
        import numpy as np

        return np.concatenate([np.zeros(0, np.int16), *self._heard])

    @property
    def heard_hz(self) -> int:
        """Sample rate of `heard`."""
        return self._heard_hz

    @property
    def heard_words(self) -> list[str]:
        """The agent's words that arrived whole."""
        return understood(self.heard, self._heard_hz)

    @property
    def now_s(self) -> float:
        """How much he has heard, in seconds."""
        return self._heard_s

    @property
    def last_end_s(self) -> float:
        """Where his last words end, in seconds; 0 before he has said any."""
        return self.said[-1].end_s if self.said else 0.0

    def agent_spoke_since(self, since_s: float) -> bool:
        """Whether the agent was heard after that."""
        return self._voice_last_s > since_s

    @property
    def agent_silent_s(self) -> float:
        """For how long the agent has been silent, in seconds."""
        return self._heard_s - self._voice_last_s

    @property
    def agent_speaking_s(self) -> float:
        """For how long the agent has been speaking, in seconds; 0 when it does not."""
        if self._voice_began_s is None or self.agent_silent_s >= _FINISHED_S:
            return 0.0
        return self._heard_s - self._voice_began_s

    # -- what he does ---------------------------------------------------------------------------------------------

    async def say(self, text: str) -> None:
        """Says tone words and notes when."""
        sound = spoken(text, self.sample_rate)
        start_s = self._written_s
        await self.play(sound)
        self.said.append(Said(text, start_s, start_s + len(sound) / self.sample_rate))

    async def play(self, sound: NDArray[np.int16]) -> None:
        """His line carries this sound. Raises SessionError session_not_active when the call is over."""
        call = self._opened
        frame = round(_FRAME_S * self.sample_rate)
        for start in range(0, len(sound), frame):
            piece = sound[start : start + frame]
            await call.write(piece.tobytes())
            self._written_s += len(piece) / self.sample_rate
            await self._listen(call, len(piece) / self.sample_rate)

    async def hang_up(self) -> None:
        """Leaves."""
        await self._opened.hang_up()

    @property
    def _opened(self) -> LocalCall:
        if self._call is None:
            raise SessionError("the caller is on no call yet: `await caller.talk(call)`", code="session_not_active")
        return self._call

    async def _listen(self, call: LocalCall, duration: float) -> None:
        import numpy as np

        chunk = await call.read(duration)
        if chunk is None:
            raise SessionError("the call is over", code="session_not_active", operation="read")
        self._heard_hz = chunk.sample_rate
        self._heard.append(chunk.samples)
        self._heard_s += chunk.duration_s
        if int(np.abs(chunk.samples.astype(np.int32)).max(initial=0)) <= _VOICE:
            return
        if self.agent_silent_s >= _FINISHED_S or self._voice_began_s is None:
            self._voice_began_s = chunk.start_s
        self._voice_last_s = self._heard_s
