"""A conversation with an agent in writing: no sound, no recogniser, no voice; else the same session."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

from beluga_voice.errors import BelugaVoiceError
from beluga_voice.events import AgentOutputTranscribed, ErrorEvent, FunctionToolsExecuted
from beluga_voice.providers.local.call import LocalCall
from beluga_voice.session import VoiceSession
from beluga_voice.simulation.call_log import ToolUse
from beluga_voice.simulation.conversation import tool_text
from beluga_voice.speech_to_text import SpeechToText, Transcript
from beluga_voice.text_to_speech import TextToSpeech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console

    from beluga_voice.events import SessionEvent
    from beluga_voice.handles import Ear, Mouth

__all__ = ["written_talk"]

_HZ = 16_000
# As long as a sentence is taken to be spoken.
_SENTENCE_BYTES = 2 * _HZ // 50


async def written_talk(agent: Any, terminal: Console, *, greeting: str | None) -> None:
    """Answers what is typed, one line after another, until there is no more or the agent ends the call."""
    session = VoiceSession(agent=agent, stt=_Deaf, tts=_Silent, vad="energy", user_away_timeout=None)
    page = _Page(terminal)
    for name in ("agent_output_transcribed", "function_tools_executed", "error"):
        session.on(name, page.take)
    await session.start(LocalCall(sample_rate=_HZ, output_sample_rate=_HZ))
    try:
        if greeting is not None:
            await session.say(greeting)
        while True:
            await session.wait_for_inactive()
            if session.is_over:
                return
            page.ask()
            line = await _line()
            page.typed(line)
            if line is None:
                return
            try:
                session.generate_reply(user_input=line)
            except BelugaVoiceError as error:  # too long
                page.complain(f"{error.message} ({error.code})")
    finally:
        await session.aclose()


class _Page:
    """What is written, on a terminal or elsewhere: "you" and "agent" before the lines, and the tools between them."""

    def __init__(self, terminal: Console) -> None:
        self._terminal = terminal
        self._in_a_line = False

    def ask(self) -> None:
        """It is the caller's turn to type."""
        self._end_line()
        self._terminal.print("you    ", style="cyan", end="")

    def typed(self, line: str | None) -> None:
        """He has, or there is no more: a terminal shows a line by itself, what comes out of a pipe is shown here."""
        if line is None:
            self._terminal.print()
        elif not sys.stdin.isatty():
            self._terminal.print(line, markup=False, highlight=False, soft_wrap=True)

    def take(self, event: SessionEvent) -> None:
        """Shows what the agent says and does."""
        match event:
            case AgentOutputTranscribed() if event.transcript:
                if not self._in_a_line:
                    self._terminal.print("agent ", style="yellow", end="")
                self._in_a_line = True
                self._terminal.print(f" {event.transcript}", end="", markup=False, highlight=False, soft_wrap=True)
            case AgentOutputTranscribed() if event.is_final:
                self._end_line()
            case FunctionToolsExecuted():
                use = ToolUse(event.name, event.arguments, event.result, event.error)
                self._end_line()
                self._terminal.print(
                    f"⚙      {tool_text(use)}", style="green", markup=False, highlight=False, soft_wrap=True
                )
            case ErrorEvent():
                self.complain(f"{event.error.message} ({event.error.code})")
            case _:
                return

    def complain(self, message: str) -> None:
        """Something went wrong."""
        self._end_line()
        self._terminal.print(f"!      {message}", style="red", markup=False, highlight=False, soft_wrap=True)

    def _end_line(self) -> None:
        if self._in_a_line:
            self._in_a_line = False
            self._terminal.print()


async def _line() -> str | None:
    """The next line that is typed; None at the end of all.

    A thread of its own waits for it, for nothing ends such a wait: neither `asyncio.to_thread`, whose threads the loop
    waits for in the end, nor the buffered `sys.stdin`, whose lock the interpreter wants in its end, would do.
    """
    loop = asyncio.get_running_loop()
    read: asyncio.Future[bytes] = loop.create_future()

    def give(line: bytes) -> None:
        if not read.done():
            read.set_result(line)

    def wait() -> None:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as typed:
            line = typed.readline()
        if not loop.is_closed():
            loop.call_soon_threadsafe(give, line)

    threading.Thread(target=wait, name="beluga-voice stdin", daemon=True).start()
    line = await read
    return line.decode(errors="replace").strip() if line else None


class _Deaf(SpeechToText):
    """Hears nothing: what the caller says is typed."""

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        """Until the call is over."""
        async for _ in ear.utterances():
            pass
        return
        yield


class _Silent(TextToSpeech):
    """Says nothing, at once: the agent's words are read."""

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        """Just enough sound for the sentence to have been spoken."""
        await mouth.write(bytes(_SENTENCE_BYTES), sample_rate=_HZ)
