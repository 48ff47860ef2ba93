"""One simulated call from its start to its files."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from beluga_voice.commands import ToolStarted
from beluga_voice.events import FunctionToolsExecuted, FunctionToolStarted
from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from beluga_voice.events import SessionEvent
    from beluga_voice.session import VoiceSession
    from beluga_voice.simulation.call_line import CallLine
    from beluga_voice.simulation.recorder import Recording

__all__ = ["CallRecord", "CallView", "SimulatedCaller", "run_call"]


class CallView(Protocol):
    """What shows a call while it happens."""

    def take(self, event: SessionEvent, log: CallLog) -> None:
        """An event, after the log has noted it."""
        ...


class SimulatedCaller(Protocol):
    """Who calls."""

    async def talk(self, call: CallLine) -> None:
        """The whole call, until he hangs up or is hung up on."""
        ...


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What is left of a call."""

    log: CallLog
    recording: Recording
    counters: Mapping[str, int]

    @property
    def duration_s(self) -> float:
        """How long the call lasted, in seconds."""
        return self.recording.duration_s

    def report(self, caller: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """See `call_report`; `caller` is the simulated caller's own account."""
        from beluga_voice.simulation.report import call_report

        counters = {**self.counters, "recording_lost_samples": self.recording.lost_samples}
        return call_report(self.log, duration_s=self.duration_s, counters=counters, caller=caller)

    def save(self, folder: Path, *, title: str, caller: Mapping[str, Any] | None = None) -> list[Path]:
        """Writes `call.wav`, `report.json` and, with matplotlib, `timeline.png`; returns what was written."""
        from beluga_voice.simulation.timeline import can_draw, save_timeline

        folder.mkdir(parents=True, exist_ok=True)
        sound, report, picture = (folder / name for name in ("call.wav", "report.json", "timeline.png"))
        self.recording.save(sound)
        text = json.dumps(self.report(caller), indent=2, ensure_ascii=False)
        report.write_text(f"{text}\n", encoding="utf-8")
        if not can_draw():
            # An older call's picture beside this call's sound would be a lie.
            picture.unlink(missing_ok=True)
            return [sound, report]
        save_timeline(picture, self.log, self.recording.caller, self.recording.agent, title=title)
        return [sound, picture, report]


async def run_call(
    session: VoiceSession,
    call: Any,
    caller: SimulatedCaller,
    *,
    log: CallLog,
    view: CallView | None = None,
    greeting: str | None = None,
    recorded: bool = True,
) -> CallRecord:
    """Starts `session` on `call`, lets the caller talk, closes it.

    - `call`: a LocalCall, or a Room for a caller who has his own way into it and needs no `call`.
    - `recorded`: whether the sound is kept: 5 MB a minute, of a call that may last for hours.

    Raises what `session.start` raises. What fails in the call itself is in the log.
    """
    told = asyncio.create_task(_tell(session, log, view), name="simulation events")
    # The subscription is made when the task first runs, and nothing may happen before it.
    await asyncio.sleep(0)
    try:
        await session.start(call)
        recorder = Recorder(session.link)
        if recorded:
            recorder.start()
        try:
            if greeting is not None:
                session.say(greeting)
            await caller.talk(call)
        finally:
            await session.aclose()
            recording = await recorder.finish()
        await told
    finally:
        told.cancel()
    return CallRecord(log, recording, session.stats())


async def _tell(session: VoiceSession, log: CallLog, view: CallView | None) -> None:
    async for event in session.events():
        if isinstance(event, (FunctionToolStarted, FunctionToolsExecuted)):
            # What is logged may be written to a file: the arguments are those that hook and redaction leave.
            used = ToolStarted(event.name, event.arguments, event.call_id)
            event = replace(event, arguments=session.reported_arguments(used))
        log.take(event)
        if view is not None:
            view.take(event, log)
