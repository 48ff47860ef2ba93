"""The demo's call in a room of a real livekit-server: the caller is a process of its own on the plain SDK."""

from __future__ import annotations

import asyncio
import math
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from beluga_voice import _core
from beluga_voice.clock import now
from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.call_run import run_call
from beluga_voice.simulation.caller_voice import CallerVoice
from beluga_voice.simulation.demo import GREETING, Demo
from beluga_voice.simulation.livekit_server import LiveKitServer
from beluga_voice.simulation.recorder import Recording
from beluga_voice.simulation.room_caller import RoomCaller
from beluga_voice.simulation.script import DEMO_SCRIPT, CallerScript
from beluga_voice.simulation.track import Track

if TYPE_CHECKING:
    from beluga_voice.events import SessionEvent
    from beluga_voice.livekit.options import Media
    from beluga_voice.simulation.call_run import CallRecord, CallView
    from beluga_voice.simulation.scripted_caller import SpokenLine

__all__ = ["run_room_demo"]

_ROOM = "harbour-museum"


async def run_room_demo(
    *, media: Media = "native", view: CallView | None = None, script: CallerScript = DEMO_SCRIPT
) -> Demo:
    """Plays the call, about a minute in real time, on a livekit-server that it starts on loopback and ends.

    What the record's left channel has is what the caller said, when he said it; the right one is what reached him.

    Raises ConfigError where there is no livekit-server, MissingDependencyError without the extras `local` and
    `livekit`, and what joining a room raises.
    """
    from beluga_voice import livekit
    from beluga_voice.session import VoiceSession
    from beluga_voice.simulation.demo_agent import MuseumLine

    session = VoiceSession(agent=MuseumLine, stt="pocketsphinx", tts="piper", vad="silero")
    utterances = await asyncio.to_thread(lambda: CallerVoice().speak(script))
    axis = _SessionAxis(view)
    async with AsyncExitStack() as stack:
        server = LiveKitServer()
        stack.callback(server.kill)
        await asyncio.to_thread(server.start)
        caller = await stack.enter_async_context(RoomCaller(script, utterances))
        await caller.join(server.url, server.token(_ROOM, "caller"))
        token = server.token(_ROOM, "agent", kind="agent")
        room = await stack.enter_async_context(await livekit.connect(server.url, token, media=media))
        greeting = GREETING if script.waits_for_greeting else None
        record = await run_call(session, room, caller, log=CallLog(), view=axis, greeting=greeting)
        title = f"A call to the Harbour Museum in a LiveKit room, media: {room.media_path}"
    return Demo(*_as_the_caller_has_it(record, caller, axis.starts_at_s), title=title)


class _SessionAxis:
    """Finds where session time is on the machine's clock, while it hands the events on to a view."""

    def __init__(self, view: CallView | None) -> None:
        self.starts_at_s = math.inf
        """When session time was 0. No event is told before its time, and the promptest of hundreds hardly after it."""
        self._view = view

    def take(self, event: SessionEvent, log: CallLog) -> None:
        self.starts_at_s = min(self.starts_at_s, now() - event.at_s)
        if self._view is not None:
            self._view.take(event, log)


@dataclass(frozen=True, slots=True)
class _Account:
    """The caller's own, in seconds of the session."""

    spoken: list[SpokenLine]
    outcome: str


def _as_the_caller_has_it(record: CallRecord, caller: RoomCaller, starts_at_s: float) -> tuple[CallRecord, _Account]:
    """The call with the caller's recording and account of it, both on the session's time axis."""
    import numpy as np

    late_s = (caller.began_at_s or starts_at_s) - starts_at_s
    pcm, rate_hz, channels = _core.read_wav(caller.recording)
    sides = np.frombuffer(pcm, np.int16).reshape(-1, channels).T
    said, received = (_track(side.tobytes(), rate_hz, round(late_s * rate_hz)) for side in sides)
    spoken = [replace(line, onset_s=line.onset_s + late_s, end_s=line.end_s + late_s) for line in caller.spoken]
    counters = {**record.counters, "caller_lost_samples": caller.lost_samples}
    recording = Recording(said, received, record.recording.lost_samples)
    return replace(record, recording=recording, counters=counters), _Account(spoken, caller.outcome)


def _track(pcm: bytes, rate_hz: int, start: int) -> Track:
    """`pcm` from sample `start` of the session on; what lies before the session's first sample is left out."""
    track = Track(rate_hz)
    track.put_at(max(0, start), pcm[2 * max(0, -start) :])
    return track
