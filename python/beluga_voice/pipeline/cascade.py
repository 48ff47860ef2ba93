"""STT, agent, TTS: what becomes of a caller's turn.

A turn's transcript is asked of the agent, its answer is cut into sentences, each is spoken as soon as it is there.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from beluga_voice.clock import now
from beluga_voice.commands import Command, EndCall, Say, ToolFinished, ToolStarted
from beluga_voice.pipeline.listener import Listener
from beluga_voice.pipeline.speaker import Speaker
from beluga_voice.pipeline.turn_taking import Answer, TurnTaking

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from beluga_voice.agent import AgentHost
    from beluga_voice.foreign_calls import ForeignCalls
    from beluga_voice.pipeline.speech import Speech
    from beluga_voice.pipeline.turn_taking import PipelineContext
    from beluga_voice.speech_to_text import SpeechToText
    from beluga_voice.text_to_speech import TextToSpeech
    from beluga_voice.turn import Turn

__all__ = ["Cascade"]

# An agent that pauses this long after a full stop has finished its sentence, in seconds.
_SETTLE_S = 0.08


class Cascade(TurnTaking[Listener, Speaker]):
    """The pipeline of one session of STT, agent and TTS."""

    def __init__(
        self,
        context: PipelineContext,
        *,
        stt: SpeechToText,
        stt_name: str,
        tts: TextToSpeech,
        tts_name: str,
        tts_timeout_s: float,
        foreign: ForeignCalls,
    ) -> None:
        super().__init__(context)
        self._turns = Listener(
            context.link,
            stt=stt,
            stt_name=stt_name,
            timeout_s=context.transcript_timeout_s,
            processing=context.processing,
            tasks=self._tasks,
            report=self._report,
            usage=context.usage,
            on_words=self._on_words,
        )
        self._speaker = Speaker(
            context.link,
            tts=tts,
            tts_name=tts_name,
            timeout_s=tts_timeout_s,
            processing=context.processing,
            foreign=foreign,
            interruption=context.interruption,
            report=self._report,
            usage=context.usage,
            on_played=self._remember,
        )
        self._connect()

    def start(self) -> None:
        """Begins to listen."""
        self._turns.start()

    async def _speak(self, speech: Speech, text: str) -> None:
        await self._speaker.speak(speech, text)
        await self._speaker.flush(speech)

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
                        await self._speak(speech, piece.text)
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
            await self._end_call_after(answer, reason)


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
