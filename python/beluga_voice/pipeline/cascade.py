"""STT, agent, TTS: what becomes of a caller's turn.

A turn's transcript is asked of the agent, its answer is cut into sentences, each is spoken as soon as it is there.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from beluga_voice.clock import now
from beluga_voice.commands import Command, EndCall, Say, ToolFinished, ToolStarted
from beluga_voice.pipeline.listener import Listener
from beluga_voice.pipeline.speaker import Speaker
from beluga_voice.pipeline.turn_taking import Answer, TurnTaking

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from beluga_voice.agent import AgentHost
    from beluga_voice.call_link import CallLink
    from beluga_voice.config import Interruption as InterruptionRules
    from beluga_voice.events import SessionEvent
    from beluga_voice.foreign_calls import ForeignCalls
    from beluga_voice.pipeline.caller_turns import CallerTurn
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.speech import SpeechHandle
    from beluga_voice.speech_to_text import SpeechToText, Transcript
    from beluga_voice.text_to_speech import TextToSpeech
    from beluga_voice.turn import Turn
    from beluga_voice.usage import UsageMeter

__all__ = ["Cascade"]

# An agent that pauses this long after a full stop has finished its sentence, in seconds.
_SETTLE_S = 0.08


class Cascade(TurnTaking[Listener, Speaker]):
    """The pipeline of one session of STT, agent and TTS."""

    def __init__(
        self,
        link: CallLink,
        *,
        stt: SpeechToText,
        stt_name: str,
        transcript_timeout_s: float,
        tts: TextToSpeech,
        tts_name: str,
        tts_timeout_s: float,
        processing: Processing,
        foreign: ForeignCalls,
        agent: AgentHost,
        interruption: InterruptionRules,
        session_id: str,
        metadata: Mapping[str, Any],
        usage: UsageMeter,
        emit: Callable[[SessionEvent], None],
        end_call: Callable[[str], None],
    ) -> None:
        super().__init__(
            link,
            agent=agent,
            interruption=interruption,
            session_id=session_id,
            metadata=metadata,
            usage=usage,
            emit=emit,
            end_call=end_call,
        )
        self._turns = Listener(
            link,
            stt=stt,
            stt_name=stt_name,
            timeout_s=transcript_timeout_s,
            processing=processing,
            tasks=self._tasks,
            report=self._report,
            usage=usage,
            on_words=self._on_words,
        )
        self._speaker = Speaker(
            link,
            tts=tts,
            tts_name=tts_name,
            timeout_s=tts_timeout_s,
            processing=processing,
            foreign=foreign,
            interruption=interruption,
            tasks=self._tasks,
            report=self._report,
            usage=usage,
            on_played=self._remember,
        )
        self._connect()

    def start(self) -> None:
        """Begins to listen."""
        self._turns.start()

    def say(self, text: str, *, allow_interruptions: bool) -> SpeechHandle:
        """Speaks `text` as soon as what was asked for before it is written."""
        return self._speaker.say(text, allow_interruptions=allow_interruptions)

    async def _understood(self, caller: CallerTurn) -> Transcript | None:
        transcript = await self._turns.words(caller)
        text = transcript.text.strip() if transcript is not None else ""
        if self._contested is not None and len(text.split()) < self._interruption.min_words:
            return None  # too few words to stop the agent
        return replace(transcript, text=text) if transcript is not None and text else None

    async def _reply(self, asked: Turn, answer: Answer) -> None:
        """Asks the agent, whatever is still being said, and speaks its answer when it is its turn to be heard."""
        reason: str | None = None
        speaker = self._speaker
        speech = self._begin_reply(answer)
        agent = cast("AgentHost", self.agent)
        try:
            async with (
                aclosing(agent.run(asked, self._run_of(agent, answer))) as answered,
                aclosing(_with_pauses(answered)) as pieces,
            ):
                async for piece in pieces:
                    if piece is None:
                        await speaker.settle(speech)
                        continue
                    if isinstance(piece, str):
                        speech.first_text_at = speech.first_text_at or now()
                        await speaker.speak(speech, piece)
                        continue
                    # What was said before a command is said before it is carried out.
                    await speaker.flush(speech)
                    if isinstance(piece, Say):
                        speaker.end(speech)
                        speech = self._begin_say(answer, piece)
                        await speaker.speak(speech, piece.text)
                        await speaker.flush(speech)
                        speaker.end(speech)
                        speech = self._begin_reply(answer)
                    elif isinstance(piece, EndCall):
                        reason = piece.reason
                        break
                    elif isinstance(piece, (ToolStarted, ToolFinished)):
                        self._tell_tool(piece, answer.tools, answer.turn_id)
                await speaker.flush(speech)
        finally:
            speaker.end(speech)
            speaker.release_floor(answer)
        if reason is not None:
            for said in answer.speeches:
                await said.finished.wait()
            self._end_call(reason)


async def _with_pauses(pieces: AsyncIterator[str | Command]) -> AsyncGenerator[str | Command | None]:
    """`pieces`, and None where the next one is a while in coming."""
    while True:
        following = asyncio.ensure_future(anext(pieces, _END))
        try:
            await asyncio.wait({following}, timeout=_SETTLE_S)
            if not following.done():
                yield None
            piece = await following
        finally:
            if not following.done():
                following.cancel()
                await asyncio.wait({following})
        if piece is _END:
            return
        yield cast("str | Command", piece)


_END: Any = object()
