"""`beluga-voice console`: talk with an agent here and now, by voice or in writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beluga_voice.cli import event_loop, showing
from beluga_voice.cli.agent_loading import agent_or_demo

if TYPE_CHECKING:
    from rich.console import Console

    from beluga_voice.cli.sound_devices import SoundDevices

__all__ = ["console"]


def console(agent: str | None, *, text: bool, stt: str, tts: str, vad: str, greeting: str | None) -> int:
    """Talks until Ctrl-C, the end of what is typed, or until the agent ends the call.

    By voice where there are a microphone and a loudspeaker, unless `text`. `agent`: None: the demo's.
    """
    from beluga_voice.cli.sound_devices import SoundDevices, missing_sound

    loaded, greeting = agent_or_demo(agent, greeting)
    terminal = showing.console()
    lacking = None if text else missing_sound()
    if lacking is not None:
        terminal.print(f"in writing, for {lacking}", style="dim", markup=False, highlight=False, soft_wrap=True)
    try:
        if text or lacking is not None:
            from beluga_voice.cli.written_talk import written_talk

            event_loop.run(written_talk(loaded, terminal, greeting=greeting))
        else:
            event_loop.run(_talk(loaded, SoundDevices(), terminal, stt=stt, tts=tts, vad=vad, greeting=greeting))
    except KeyboardInterrupt:  # how one leaves
        terminal.print()
    return 0


async def _talk(
    agent: Any, devices: SoundDevices, terminal: Console, *, stt: str, tts: str, vad: str, greeting: str | None
) -> None:
    from beluga_voice.providers.local.call import LocalCall
    from beluga_voice.session import VoiceSession
    from beluga_voice.simulation.call_log import CallLog
    from beluga_voice.simulation.call_run import run_call

    session = VoiceSession(agent=agent, stt=stt, tts=tts, vad=vad)
    terminal.print("wear headphones: a loudspeaker is heard by the microphone and interrupts the agent. Ctrl-C ends.")
    with showing.view_of(terminal, "console") as view:
        await run_call(session, LocalCall(), devices, log=CallLog(), view=view, greeting=greeting, recorded=False)
    if devices.blocks_dropped:
        terminal.print(f"{20 * devices.blocks_dropped} ms of sound were dropped: this machine was too slow")
