"""Plays a recorded caller to an agent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.call_run import CallRecord, CallView, run_call
from beluga_voice.simulation.file_caller import FileCaller, WavFile

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Simulation", "simulate"]


@dataclass(frozen=True, slots=True)
class Simulation:
    """A file that was played, and what came of it."""

    record: CallRecord
    caller: FileCaller
    file: Path

    def save(self, folder: Path) -> list[Path]:
        """Writes the call's files; see `CallRecord.save`."""
        caller = {"file": self.file.name, "outcome": self.caller.outcome}
        return self.record.save(folder, title=self.file.name, caller=caller)


async def simulate(
    path: Path,
    agent: object,
    *,
    view: CallView | None = None,
    patience_s: float = 60.0,
    **settings: Any,
) -> Simulation:
    """Plays the WAV at `path` to `agent`, then silence until it has answered and finished.

    In real time on an ordinary event loop; on `beluga_voice.virtual_time`'s as fast as the components answer, through
    the very same engine.
    `settings` are those of `VoiceSession`: stt, tts, vad, turn_handling ... Raises OSError and AudioFormatError for the
    file, and what `VoiceSession` raises.
    """
    from beluga_voice.providers.local.call import LocalCall
    from beluga_voice.session import VoiceSession

    session = VoiceSession(agent=agent, **settings)
    file = await asyncio.to_thread(WavFile, path)
    log = CallLog()
    caller = FileCaller(file, settled=lambda: _settled(log), patience_s=patience_s)
    call = LocalCall(sample_rate=file.sample_rate, output_sample_rate=24_000)
    record = await run_call(session, call, caller, log=log, view=view)
    return Simulation(record, caller, path)


def _settled(log: CallLog) -> bool:
    """Whether nobody speaks, nothing is being recognised and no answer is on its way."""
    if log.user_state == "speaking" or log.agent_state in ("thinking", "speaking"):
        return False
    return all(turn.end_s is not None for turn in log.turns)
