"""A scripted caller in a LiveKit room: a process of its own on the plain SDK, so that the far side is not ours.

async with RoomCaller(script, utterances) as caller:
    await caller.join(server.url, server.token("a-room", "caller"))
    ...                                     # the agent joins as well
    await caller.talk()
path.write_bytes(caller.recording)          # left what he said, right what he received
"""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from beluga_voice import _core
from beluga_voice.errors import MissingDependencyError
from beluga_voice.simulation.caller_voice import CALLER_HZ
from beluga_voice.simulation.line_process import LineProcess
from beluga_voice.simulation.scripted_caller import SpokenLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from beluga_voice.simulation.caller_voice import Utterance
    from beluga_voice.simulation.script import CallerScript

__all__ = ["RoomCaller"]

_PROCESS = "beluga_voice.simulation.sdk.room_caller_process"
# The longest that a call may take, in seconds; patience ends those in which nothing happens.
_LONGEST_S = 1_800.0


class RoomCaller:
    """See the module. Plays the script as `ScriptedCaller` does on a local call, driven by what it hears.

    - `on_event(event)`: all that happens in the room as the SDK tells it (`simulation/sdk/event_facts.py`), such as
      `participant_attributes_changed` with `lk.agent.state`.

    Raises MissingDependencyError without the extra `livekit`.
    """

    def __init__(
        self,
        script: CallerScript,
        utterances: Sequence[Utterance],
        *,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if importlib.util.find_spec("livekit") is None:
            raise MissingDependencyError("beluga-voice[livekit]", provider="livekit")
        self.spoken: list[SpokenLine] = []
        """The lines as they were said, seconds from the beginning of `recording`; known after `talk`."""
        self.outcome: Literal["talking", "done", "unanswered", "hung_up_on"] = "talking"
        self.began_at_s: float | None = None
        """When `recording` begins, on the machine's monotonic clock; known after `talk`."""
        self.lost_samples = 0
        """Of his voice, at 48 kHz: more than a few say that this machine was too busy to play him in time."""
        self.recording = b""
        """A stereo WAV at 24 kHz: what he said left, what he received right; known after `talk`."""
        self._script = script
        self._utterances = utterances
        self._process = LineProcess(_PROCESS, name="the caller", on_event=on_event)

    async def __aenter__(self) -> Self:
        await self._process.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.aclose()

    async def join(self, url: str, token: str) -> None:
        """Enters the room and opens his microphone."""
        await self._process.ask("join", url=url, token=token, within=20.0)

    async def talk(self, call: object = None) -> None:
        """The whole call: returns when the script is through, the agent has left or patience has ended.

        `call`, which callers in this process are handed, is not looked at: he has his own way into the room.
        """
        with tempfile.TemporaryDirectory(prefix="beluga-voice-") as place:
            sounds = [Path(place) / f"{number}.wav" for number in range(len(self._utterances))]
            for path, utterance in zip(sounds, self._utterances, strict=True):
                path.write_bytes(_core.write_wav(utterance.samples.tobytes(), sample_rate=CALLER_HZ, channels=1))
            recording = Path(place) / "recording.wav"
            told = await self._process.ask(
                "talk",
                script=asdict(self._script),
                sounds=[str(path) for path in sounds],
                recording=str(recording),
                within=_LONGEST_S,
            )
            self.recording = recording.read_bytes()
        self.outcome, self.began_at_s = told["outcome"], told["began_at_s"]
        self.lost_samples = told["lost_samples"]
        self.spoken = [SpokenLine(**line) for line in told["lines"]]

    async def leave(self) -> None:
        """Hangs up."""
        await self._process.ask("leave")
