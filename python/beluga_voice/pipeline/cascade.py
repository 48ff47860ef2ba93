"""STT, agent, TTS: what becomes of a caller's turn.

The core decides whose turn it is and stops the sound; this decides what is said. A turn's transcript is asked of the
agent, its answer is cut into sentences, each is spoken as soon as it is there. What the caller talks over is
cancelled whole: the agent, the voice, what waits to be played; history keeps what was heard.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from beluga_voice.agent import AgentRun
from beluga_voice.clock import now
from beluga_voice.commands import Command, EndCall, Say, ToolFinished, ToolStarted
from beluga_voice.core_errors import translated
from beluga_voice.errors import BelugaVoiceError, InternalError
from beluga_voice.events import (
    AgentFalseInterruption,
    ConversationItemAdded,
    FunctionToolsExecuted,
    FunctionToolStarted,
    Interruption,
    MetricsCollected,
    SessionEvent,
)
from beluga_voice.metrics import LLMMetrics
from beluga_voice.pipeline.listener import Listener
from beluga_voice.pipeline.reporter import Reporter
from beluga_voice.pipeline.speaker import Speaker, VoiceFailedError
from beluga_voice.tasks import Tasks
from beluga_voice.turn import ChatMessage, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping

    from beluga_voice import _core
    from beluga_voice.agent import AgentHost
    from beluga_voice.call_link import CallLink
    from beluga_voice.config import Interruption as InterruptionRules
    from beluga_voice.foreign_calls import ForeignCalls
    from beluga_voice.pipeline.listener import CallerTurn
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.speech import Speech, SpeechHandle
    from beluga_voice.speech_to_text import SpeechToText
    from beluga_voice.text_to_speech import TextToSpeech
    from beluga_voice.usage import UsageMeter

__all__ = ["Cascade"]

# What the caller may have written and the agent not been asked. Policy: the oldest is dropped and counted.
_TYPED_WAITING = 8
# An agent that pauses this long after a full stop has finished its sentence, in seconds.
_SETTLE_S = 0.08


@dataclass(slots=True)
class _Answer:
    """An answer being given, and its question."""

    turn_id: int
    item: ChatMessage
    task: asyncio.Task[None]
    through: int
    """The last turn that needs no other answer: this one's, or one without words that came while it was given."""
    voiced_end_s: float | None
    """The caller's last voiced sample; None where he wrote."""
    speeches: list[Speech] = field(default_factory=list["Speech"])
    tools: dict[str, ToolStarted] = field(default_factory=dict[str, ToolStarted])


class Cascade:
    """The pipeline of one session. Belongs to the loop that it was made on."""

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
        self.history: list[ChatMessage] = []
        self._link = link
        self._agent = agent
        self._interruption = interruption
        self._session_id = session_id
        self._metadata = metadata
        self._usage = usage
        self._end_call = end_call
        self._tasks = Tasks(self._failed)
        self._report = Reporter(link, emit)
        self._listener = Listener(
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
        self._answering: set[asyncio.Task[None]] = set()
        """Of each turn that has ended and is not settled."""
        self._answer: _Answer | None = None
        self._unheard: _Answer | None = None
        self._typed: deque[str] = deque()
        """What the caller wrote and nobody was asked yet."""
        self._typed_task: asyncio.Task[None] | None = None
        self._typed_numbers = itertools.count(-1, -1)
        self._typed_dropped = 0
        self._closed = False
        self._contested: Speech | None = None
        """The speech that the caller talks over, until words say whether he means it."""
        self._handlers: dict[str, Callable[[_core.Event], None]] = {
            "turn_started": self._listener.turn_started,
            "turn_ended": self._on_turn_ended,
            "turn_dropped": self._listener.turn_dropped,
            "interrupted": self._on_interrupted,
            "resumed": self._on_resumed,
            "playout_started": self._speaker.playout_started,
            "playout_finished": self._on_playout_finished,
            "mark_reached": self._speaker.mark_reached,
        }

    def stats(self) -> dict[str, int]:
        """Its counters by name."""
        return {
            "turns_given_up": self._listener.turns_given_up,
            "guesses_skipped": self._listener.guesses_skipped,
            "typed_texts_dropped": self._typed_dropped,
            "tasks_abandoned": self._tasks.abandoned,
        }

    def start(self) -> None:
        """Begins to listen."""
        self._listener.start()

    async def aclose(self) -> dict[str, int]:
        """Ends everything that was begun; returns the counters as they are in the end."""
        self._listener.close()
        await self._tasks.cancel()
        self._speaker.end_all()
        self._closed = True
        counters = self.stats()
        # They hold the cascade, and the call's megabyte of sound: they part here, and not when Python looks for cycles.
        self._handlers.clear()
        del self._listener, self._speaker
        return counters

    def say(self, text: str, *, allow_interruptions: bool) -> SpeechHandle:
        """Speaks `text` as soon as what was asked for before it is written."""
        return self._speaker.say(text, allow_interruptions=allow_interruptions)

    def answer_typed(self, text: str) -> None:
        """The caller has written: it is a turn of his, and interrupts. What comes before it is asked goes with it."""
        self._typed.append(text)
        if len(self._typed) > _TYPED_WAITING:
            self._typed.popleft()
            self._typed_dropped += 1
        if self._typed_task is None:
            self._typed_task = self._start_answering(self._answer_typed(), name="typed turn")

    async def wait_for_work(self) -> bool:
        """Waits until something that is under way has ended, and says whether there was anything."""
        if self._answering:
            await asyncio.wait(self._answering, return_when=asyncio.FIRST_COMPLETED)
        elif unfinished := self._speaker.unfinished:
            await unfinished[0].finished.wait()
        else:
            return False
        return True

    def interrupt(self) -> None:
        """Fades out whatever is being said and gives up the rest; the question is not asked again."""
        answer = self._answer
        self._give_up_answer()
        self._unheard = None
        for speech in self._speaker.unfinished:
            self._speaker.interrupt(speech)
        if answer is not None:
            self._reply_done(answer.through)

    # -- what the core reports ------------------------------------------------------------------------------------

    def on_event(self, event: _core.Event) -> None:
        """Takes an event of the core's; those that are not the pipeline's business pass."""
        handler = self._handlers.get(event.kind)
        if handler is not None:
            handler(event)

    def _on_turn_ended(self, event: _core.Event) -> None:
        turn = self._listener.turn_ended(event)
        self._start_answering(self._answer_turn(turn), name=f"turn {turn.id}")

    def _on_interrupted(self, event: _core.Event) -> None:
        speech = self._speaker.speech_of(event.utterance)
        self._report.event(
            Interruption(
                at_s=event.at_s,
                speech_id=speech.id if speech is not None else None,
                onset_s=cast("float", event.onset_s),
                action=cast("Any", event.action),
            )
        )
        if speech is not None and event.action == "pause":
            self._speaker.paused(speech)
        if speech is None:
            self._give_up_answer()
            for turn in self._listener.turns.values():
                turn.talked_over = turn.decided_at > 0
        elif event.action == "pause" and not self._interruption.resume_false_interruption:
            self._cut_short(speech)
        else:
            self._contested = speech

    def _on_resumed(self, event: _core.Event) -> None:
        self._contested = None
        self._speaker.resumed()
        self._report.event(AgentFalseInterruption(at_s=event.at_s, resumed=True))

    def _on_playout_finished(self, event: _core.Event) -> None:
        if self._contested is self._speaker.speech_of(event.utterance):
            self._contested = None
        self._speaker.playout_finished(event)

    # -- answering ------------------------------------------------------------------------------------------------

    def _start_answering(self, answering: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = self._tasks.start(answering, name=name)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return task

    def _on_words(self, text: str) -> None:
        if self._contested is not None and len(text.split()) >= max(1, self._interruption.min_words):
            self._cut_short(self._contested)

    async def _answer_turn(self, caller: CallerTurn) -> None:
        transcript = await self._listener.words(caller)
        text = transcript.text.strip() if transcript is not None else ""
        if self._contested is not None and len(text.split()) < self._interruption.min_words:
            text = ""  # too few words to stop the agent
        if not text:
            # No words: what he stopped goes on, and a question that this noise cut off still stands.
            if self._contested is not None:
                self._contested = None
                with translated():
                    self._link.call.resume()
            if self._answer is None and self._unheard is None:
                self._reply_done(caller.id)
            if self._answer is not None:
                self._answer.through = caller.id
            if self._answer is not None or self._unheard is None:
                return
        await self._stop_talking()
        answer = self._begin_answer(text, caller.id, caller)
        if caller.talked_over and any(later > caller.id for later in self._listener.turns):
            self._answer, self._unheard = None, answer
            return
        await self._give_answer(
            answer,
            language=transcript.language if transcript is not None else None,
            confidence=transcript.confidence if transcript is not None else None,
            started_at_s=caller.onset_s,
            ended_at_s=caller.voiced_end_s,
        )

    async def _answer_typed(self) -> None:
        given_up = self._answer
        await self._stop_talking()
        text, self._typed_task = "\n".join(self._typed), None
        self._typed.clear()
        at_s = self._report.at_s
        # The core knows nothing of it, but of what was to be answered before.
        through = given_up.through if given_up is not None else 0
        answer = self._begin_answer(text, next(self._typed_numbers), None, through=through)
        await self._give_answer(answer, language=None, confidence=None, started_at_s=at_s, ended_at_s=at_s)

    async def _give_answer(self, answer: _Answer, **about_the_turn: Any) -> None:
        asked = Turn(
            text=answer.item.text,
            history=tuple(self.history[:-1]),
            session_id=self._session_id,
            metadata=self._metadata,
            **about_the_turn,
        )
        try:
            await self._reply(asked, answer)
        except VoiceFailedError as failed:
            self._report.error(failed.error, "tts")
        except BelugaVoiceError as error:
            self._report.error(error, "agent")
        finally:
            if self._answer is answer:
                self._answer = None
                self._reply_done(answer.through)

    async def _stop_talking(self) -> None:
        """Ends what the agent says, as far as he lets himself be interrupted, and waits for the rest.

        Then the history holds what was heard of it.
        """
        while True:
            answer = self._answer
            if answer is not None and not self._interruption.enabled:
                await asyncio.wait({answer.task})
                continue
            begun = self._speaker.begun
            lasting = next((each for each in begun if each.started_at and not each.allow_interruptions), None)
            if answer is not None and lasting is not None and lasting in answer.speeches:
                await lasting.finished.wait()
                continue
            if self._contested is not None:
                self._cut_short(self._contested)
            self._give_up_answer()
            for speech in self._speaker.unfinished:
                # An answer to what he said before, or what he hears: what merely waits to be said is still to be said.
                if speech.allow_interruptions and (speech.turn_id is not None or speech.started_at is not None):
                    self._speaker.interrupt(speech)
            fading = [each for each in self._speaker.begun if each.interrupted]
            if not fading:
                return
            for speech in fading:
                await speech.finished.wait()

    def _begin_answer(
        self, text: str, turn_id: int, caller: CallerTurn | None, *, through: int | None = None
    ) -> _Answer:
        """The caller's words go into the history, with those before them that nobody answered."""
        if self._unheard is not None:
            unheard = self._unheard.item
            self.history[:] = [item for item in self.history if item is not unheard]
            text = f"{self._unheard.item.text} {text}".strip()
            self._unheard = None
        item = ChatMessage(role="user", text=text)
        self.history.append(item)
        metrics: dict[str, float] = {}
        if caller is not None:
            metrics["end_of_turn_delay"] = caller.decided_at_s - caller.voiced_end_s
            if caller.transcribed_at is not None:
                metrics["transcription_delay"] = max(0.0, caller.transcribed_at - caller.decided_at)
        self._report.event(
            ConversationItemAdded(
                at_s=self._report.at_s,
                item=item,
                turn_id=turn_id,
                started_speaking_at_s=caller.onset_s if caller is not None else None,
                stopped_speaking_at_s=caller.voiced_end_s if caller is not None else None,
                metrics=metrics,
            )
        )
        self._answer = _Answer(
            turn_id,
            item,
            cast("asyncio.Task[None]", asyncio.current_task()),
            through=through if through is not None else turn_id,
            voiced_end_s=caller.voiced_end_s if caller is not None else None,
        )
        return self._answer

    async def _reply(self, asked: Turn, answer: _Answer) -> None:
        """Asks the agent, whatever is still being said, and speaks its answer when it is its turn to be heard."""
        reason: str | None = None
        speaker = self._speaker
        speech = self._begin_reply(answer)
        run = AgentRun(self._usage.thought, functools.partial(self._agent_ended, answer.turn_id))
        try:
            async with aclosing(self._agent.run(asked, run)) as answered, aclosing(_with_pauses(answered)) as pieces:
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
                        self._tell_tool(piece, answer)
                await speaker.flush(speech)
        finally:
            speaker.end(speech)
            speaker.release_floor(answer)
        if reason is not None:
            for said in answer.speeches:
                await said.finished.wait()
            self._end_call(reason)

    def _agent_ended(self, turn_id: int, run: AgentRun) -> None:
        """However long what it said is still being spoken."""
        if self._closed:
            return  # it went on though it was cancelled, and the session is over
        last = run.tokens[-1] if run.tokens else None
        metrics = LLMMetrics(
            label=self._agent.name,
            turn_id=turn_id,
            duration=now() - run.began_at,
            ttft=run.first_piece_at - run.began_at if run.first_piece_at is not None else None,
            cancelled=run.cancelled,
            prompt_tokens=sum(used.input_tokens for used in run.tokens),
            completion_tokens=sum(used.output_tokens for used in run.tokens),
            model=last.model if last is not None else "",
            provider=last.provider if last is not None else "",
            error=run.error,
        )
        self._report.event(MetricsCollected(at_s=self._report.at_s, metrics=metrics))

    def _begin_reply(self, answer: _Answer) -> Speech:
        speech = self._speaker.begin(
            "reply", part_of=answer, turn_id=answer.turn_id, caller_voiced_end_s=answer.voiced_end_s
        )
        answer.speeches.append(speech)
        return speech

    def _begin_say(self, answer: _Answer, command: Say) -> Speech:
        speech = self._speaker.begin(
            "say",
            part_of=answer,
            allow_interruptions=command.allow_interruptions,
            turn_id=answer.turn_id,
            caller_voiced_end_s=answer.voiced_end_s,
        )
        answer.speeches.append(speech)
        return speech

    def _give_up_answer(self) -> None:
        """Cancels the answer being given. If nothing of it was heard, its question is kept for the next turn."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        answer.task.cancel()
        for speech in answer.speeches:
            self._speaker.interrupt(speech)
        if not any(speech.started_at is not None for speech in answer.speeches):
            self._unheard = answer

    def _cut_short(self, speech: Speech) -> None:
        """The caller means it: the rest of the speech is not said, nor of the answer that it is part of."""
        self._contested = None
        if self._answer is not None and speech in self._answer.speeches:
            self._give_up_answer()
            return
        for part in self._speaker.unfinished:
            if part is speech or (part.turn_id is not None and part.turn_id == speech.turn_id):
                self._speaker.interrupt(part)

    def _tell_tool(self, command: ToolStarted | ToolFinished, answer: _Answer) -> None:
        at_s = self._report.at_s
        if isinstance(command, ToolStarted):
            answer.tools[command.call_id or command.name] = command
            self._report.event(
                FunctionToolStarted(at_s=at_s, name=command.name, arguments=command.arguments, call_id=command.call_id)
            )
            return
        started = answer.tools.pop(command.call_id or command.name, None)
        self._report.event(
            FunctionToolsExecuted(
                at_s=at_s,
                name=command.name,
                arguments=started.arguments if started is not None else {},
                result=command.result,
                error=command.error,
                call_id=command.call_id,
                turn_id=answer.turn_id,
            )
        )

    def _remember(self, speech: Speech) -> None:
        """What was heard of a speech goes into the history."""
        heard = speech.heard
        if not heard:
            return
        item = ChatMessage(role="assistant", text=heard, interrupted=speech.interrupted)
        self.history.append(item)
        self._report.event(
            ConversationItemAdded(
                at_s=self._report.at_s,
                item=item,
                turn_id=speech.turn_id,
                speech_id=speech.id,
                started_speaking_at_s=speech.started_at_s,
                stopped_speaking_at_s=speech.stopped_at_s,
                metrics=speech.metrics,
            )
        )

    def _reply_done(self, turn_id: int) -> None:
        with translated():
            self._link.call.reply_done(turn_id)

    def _failed(self, error: BaseException) -> None:
        """A defect of ours: no component or agent gets this far."""
        wrapped = InternalError(f"{type(error).__name__}: {error}", operation="pipeline")
        wrapped.__cause__ = error
        self._report.error(wrapped, "session")


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
