"""`beluga-voice call`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from beluga_voice.cli import event_loop, showing
from beluga_voice.cli.agent_loading import agent_or_demo
from beluga_voice.cli.problems import FAILED, WRONG_USE, CommandError
from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.call_run import run_call

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from rich.console import Console

    from beluga_voice.config import SessionConfig
    from beluga_voice.livekit.options import Media
    from beluga_voice.livekit.room_call import RoomCall
    from beluga_voice.providers.livekit.backend import LiveKitBackend
    from beluga_voice.session import VoiceSession
    from beluga_voice.simulation.call_line import CallLine
    from beluga_voice.simulation.call_run import CallRecord, CallView

__all__ = ["call"]


def call(
    agent: str | None,
    out: Path | None,
    *,
    room: str,
    url: str | None,
    identity: str,
    participant: str | None,
    media: Media,
    greeting: str | None,
    stt: str,
    tts: str,
    vad: str,
) -> int:
    """Joins the room, serves one caller, shows the call, writes its files if asked to; 1 if the call had errors.

    `agent`: None: the demo's. The key and its secret are those of the environment, and so is `url` where it is None.
    """
    from beluga_voice.backend import get_registry
    from beluga_voice.config import SessionConfig

    loaded, greeting = agent_or_demo(agent, greeting)
    given = {"identity": identity, "media": media, **({"url": url} if url else {})}
    _check_environment(url)
    backend = get_registry().create("livekit", {"provider_config": given})
    config = SessionConfig(agent=loaded, stt=stt, tts=tts, vad=vad)
    config.resolve()  # before there is a picture: what is wrong with it stands alone
    terminal = showing.console()
    with showing.view_of(terminal, f"room {room}") as view:
        serving = _serve(backend, config, room, participant, greeting, view, terminal, recorded=out is not None)
        record = event_loop.run(_until_told(serving))
    if record is None:
        terminal.print("left the room: nobody was served", highlight=False)
        return 0
    showing.show_latencies(terminal, record.log)
    if out is not None:
        showing.show_files(terminal, record.save(out, title=f"A call in the LiveKit room {room}"))
    showing.show_errors(record.log)
    return FAILED if record.log.errors else 0


def _check_environment(url: str | None) -> None:
    """Raises CommandError for what is not said of the server, all of it at once."""
    wanted = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    missing = [name for name in wanted if not os.environ.get(name) and not (url and name == "LIVEKIT_URL")]
    if missing:
        raise CommandError(
            f"not set in the environment: {', '.join(missing)}",
            do="set it; `livekit-server --dev` is a server at ws://localhost:7880 with key devkey and secret secret",
            code="invalid_config",
            exit_code=WRONG_USE,
        )


async def _serve(
    backend: LiveKitBackend,
    config: SessionConfig,
    room: str,
    participant: str | None,
    greeting: str | None,
    view: CallView,
    terminal: Console,
    *,
    recorded: bool,
) -> CallRecord:
    try:
        session = await backend.create_session(config)
        joined = await backend.join(room)
        whom = participant or "a caller"
        terminal.print(
            f"in room {room}, media: {joined.media_path}; waiting for {whom}; Ctrl-C leaves",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        place = backend.call(joined, participant_identity=participant)
        caller = _Whoever(session, place, terminal)
        return await run_call(session, place, caller, log=CallLog(), view=view, greeting=greeting, recorded=recorded)
    finally:
        await backend.aclose()


async def _until_told(serving: Coroutine[Any, Any, CallRecord]) -> CallRecord | None:
    """Runs it until it ends, or until Ctrl-C or SIGTERM: then the room is left properly. None: there was no call."""
    task = asyncio.create_task(serving, name="beluga-voice call")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        return await task
    return None


class _Whoever:
    """The caller who is really there: the call is over when the session is."""

    def __init__(self, session: VoiceSession, place: RoomCall, terminal: Console) -> None:
        self._session = session
        self._place = place
        self._terminal = terminal

    async def talk(self, call: CallLine) -> None:
        """Until he, or the agent, has ended it; or until whoever runs the command has heard enough."""
        self._terminal.print(f"serving {self._place.served_identity}", markup=False, highlight=False, soft_wrap=True)
        try:
            await self._session.wait_closed()
        except asyncio.CancelledError:
            # Told to end: what was said so far is a call all the same, and is shown.
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
