"""The process behind `beluga_voice.simulation.room_caller.RoomCaller`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np

from beluga_voice import _core
from beluga_voice.errors import AudioFormatError
from beluga_voice.livekit.sdk.quiet import quieten
from beluga_voice.simulation.caller_voice import CALLER_HZ, Utterance
from beluga_voice.simulation.line_service import LineService, take_precedence
from beluga_voice.simulation.recorder import stereo_wav
from beluga_voice.simulation.script import CallerScript, Line
from beluga_voice.simulation.scripted_caller import ScriptedCaller
from beluga_voice.simulation.sdk.room_line import RoomLine
from beluga_voice.simulation.track import Track

__all__ = ["RoomCallerProcess"]


class RoomCallerProcess:
    """One caller, one call. Public methods are the commands."""

    def __init__(self, service: LineService) -> None:
        self._line = RoomLine(service.tell, sample_rate=CALLER_HZ)
        self._caller: ScriptedCaller | None = None

    async def join(self, url: str, token: str) -> None:
        """Enters the room, microphone open."""
        await self._line.join(url, token)

    async def talk(self, script: dict[str, Any], sounds: list[str], recording: str) -> dict[str, Any]:
        """The whole call; `sounds`: a WAV of each line. Writes what he said (left) and received (right)."""
        lines = tuple(Line(**line) for line in script.pop("lines"))
        whole = CallerScript(lines=lines, **script)
        utterances = [_spoken(line, Path(sound)) for line, sound in zip(lines, sounds, strict=True)]
        caller = self._caller = ScriptedCaller(whole, utterances)
        await caller.talk(self._line)
        began_s = self._line.spoken_from_s
        said = Track(CALLER_HZ)
        said.put_at(0, caller.sound)
        sound = await asyncio.to_thread(stereo_wav, said, self._line.received(began_s))
        await asyncio.to_thread(Path(recording).write_bytes, sound)
        return {
            "outcome": caller.outcome,
            "began_at_s": began_s,
            "lost_samples": self._line.lost_samples,
            "lines": [line.to_dict() for line in caller.spoken],
        }

    async def leave(self) -> None:
        """Leaves the room."""
        await self._line.aclose()


def _spoken(line: Line, path: Path) -> Utterance:
    pcm, rate_hz, channels = _core.read_wav(path.read_bytes())
    if (rate_hz, channels) != (CALLER_HZ, 1):
        raise AudioFormatError(f"{path.name} has {channels} channels at {rate_hz} Hz: allowed: one at {CALLER_HZ} Hz")
    return Utterance(line, np.frombuffer(pcm, np.int16))


async def _main() -> None:
    take_precedence()
    quieten()
    service = LineService()
    process = RoomCallerProcess(service)
    try:
        await service.serve({"join": process.join, "talk": process.talk, "leave": process.leave})
    finally:
        await process.leave()


if __name__ == "__main__":
    asyncio.run(_main())
