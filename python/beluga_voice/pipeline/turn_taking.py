"""What the caller's turns do to what the agent says: the half of a pipeline that is the same whoever speaks.

The core decides whose turn it is and stops the sound; this decides what becomes of an answer. What the caller talks
over is cancelled whole: the agent, the voice, what waits to be played; history keeps what was heard.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from beluga_voice.agent import AgentRun
from beluga_voice.clock import now
from beluga_voice.commands import Say, ToolFinished, ToolStarted
from beluga_voice.core_errors import translated
from beluga_voice.errors import BelugaVoiceError, InternalError, PipelineError
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
from beluga_voice.pipeline.component_fault import ComponentFailedError
from beluga_voice.pipeline.reporter import Reporter
from beluga_voice.pipeline.speech import SpeechHandle
from beluga_voice.tasks import Tasks
from beluga_voice.turn import ChatMessage, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from typing_extensions import Buffer

    from beluga_voice import _core
    from beluga_voice.agent import AgentHost
    from beluga_voice.audio_format import AudioFormat
    from beluga_voice.call_link import CallLink
    from beluga_voice.config import Interruption as InterruptionRules
    from beluga_voice.pipeline.caller_turns import CallerTurn, CallerTurns
    from beluga_voice.pipeline.playout import Playout
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.speech import Speech
    from beluga_voice.speech_to_text import Transcript
    from beluga_voice.usage import UsageMeter

__all__ = ["Answer", "Pipeline", "PipelineContext", "TurnTaking"]

Turns = TypeVar("Turns", bound="CallerTurns")
Speaking = TypeVar("Speaking", bound="Playout")

# What the caller may have written and the agent not been asked. Policy: the oldest is dropped and counted.
_TYPED_WAITING = 8


@dataclass(slots=True)
class Answer:
    """An answer being given, and its question."""

    turn_id: int
    text: str
    item: ChatMessage | None
    """The question in the history; None as long as nobody knows its words."""
    task: asyncio.Task[None]
    through: int
    """The last turn that needs no other answer: this one's, or one without words that came while it was given."""
    voiced_end_s: float | None
    """The caller's last voiced sample; None where he wrote."""
    speeches: list[Speech] = field(default_factory=list["Speech"])
    tools: dict[str, ToolStarted] = field(default_factory=dict[str, ToolStarted])


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineContext:
    """What a pipeline has of its session, whichever pipeline it is."""

    link: CallLink
    agent: AgentHost | None
    interruption: InterruptionRules
    session_id: str
    metadata: Mapping[str, Any]
    transcript_timeout_s: float
    processing: Processing
    usage: UsageMeter
    emit: Callable[[SessionEvent], None]
    end_call: Callable[[str], None]


class TurnTaking(ABC, Generic[Turns, Speaking]):
    """A session's pipeline without its components. Belongs to the loop that it was made on.

    A subclass sets `_turns` and `_speaker`, then calls `_connect`.
    """

    _turns: Turns
    _speaker: Speaking

    def __init__(self, context: PipelineContext) -> None:
        self.history: list[ChatMessage] = []
        self.agent = context.agent
        """Who is asked about the turns from now on."""
        self.metadata = context.metadata
        """What he finds in them."""
        self._usage = context.usage
        self._link = context.link
        self._interruption = context.interruption
        self._session_id = context.session_id
        self._end_call = context.end_call
        self._tasks = Tasks(self._failed)
        self._report = Reporter(context.link, context.emit)
        self._closed = False
        self._answering: set[asyncio.Task[None]] = set()
        """Of each turn that has ended and is not settled."""
        self._answer: Answer | None = None
        self._unheard: Answer | None = None
        self._typed: deque[str] = deque()
        """What the caller wrote and nobody was asked yet."""
        self._typed_task: asyncio.Task[None] | None = None
        self._typed_numbers = itertools.count(-1, -1)
        self._typed_dropped = 0
        self._contested: Speech | None = None
        """The speech that the caller talks over, until words say whether he means it."""
        self._handlers: dict[str, Callable[[_core.Event], None]] = {}

    def _connect(self) -> None:
        self._handlers = {
            "turn_started": self._on_turn_started,
            "turn_ended": self._on_turn_ended,
            "turn_dropped": self._turns.turn_dropped,
            "interrupted": self._on_interrupted,
            "resumed": self._on_resumed,
            "playout_started": self._speaker.playout_started,
            "playout_finished": self._on_playout_finished,
            "mark_reached": self._speaker.mark_reached,
        }

    def stats(self) -> dict[str, int]:
        """Its counters by name."""
        return {
            "turns_given_up": self._turns.turns_given_up,
            "guesses_skipped": self._turns.guesses_skipped,
            "typed_texts_dropped": self._typed_dropped,
            "tasks_abandoned": self._tasks.abandoned,
        }

    @abstractmethod
    def start(self) -> None:
        """Begins to listen."""

    @abstractmethod
    async def _speak(self, speech: Speech, text: str) -> None:
        """Has `text` written as the whole of a speech. Raises ComponentFailedError."""

    @abstractmethod
    async def _reply(self, asked: Turn, answer: Answer) -> None:
        """Gives the answer. Raises ComponentFailedError, and what the agent fails with."""

    async def aclose(self) -> dict[str, int]:
        """Ends everything that was begun; returns the counters as they are in the end."""
        self._turns.close()
        await self._tasks.cancel()
        self._speaker.end_all()
        self._closed = True
        counters = self.stats()
        # They hold the cascade, and the call's megabyte of sound: they part here, and not when Python looks for cycles.
        self._handlers.clear()
        del self._turns, self._speaker
        return counters

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

    def say(self, text: str, *, allow_interruptions: bool) -> SpeechHandle:
        """Speaks `text` as soon as what was asked for before it is written."""
        speech = self._speaker.begin("say", allow_interruptions=allow_interruptions)
        return self._saying(speech, self._say(speech, text), name="say")

    async def _say(self, speech: Speech, text: str) -> None:
        try:
            await self._speak(speech, text)
        except ComponentFailedError as failed:
            self._report.error(failed.error, failed.component)
        finally:
            self._speaker.end(speech)
            self._speaker.release_floor(speech)

    def play(
        self,
        sound: Buffer | AsyncIterable[Buffer],
        *,
        sample_rate: int | None,
        audio_format: AudioFormat | None,
        allow_interruptions: bool,
    ) -> SpeechHandle:
        """Plays sound that is made already, as soon as what was asked for before it is written."""
        speech = self._speaker.begin("say", allow_interruptions=allow_interruptions)
        return self._saying(speech, self._play(speech, sound, sample_rate, audio_format), name="play")

    def _saying(self, speech: Speech, work: Coroutine[Any, Any, None], *, name: str) -> SpeechHandle:
        speech.task = self._tasks.start(work, name=f"{name} {speech.id}")
        return SpeechHandle(speech, self._speaker.interrupt)

    async def _play(
        self,
        speech: Speech,
        sound: Buffer | AsyncIterable[Buffer],
        sample_rate: int | None,
        audio_format: AudioFormat | None,
    ) -> None:
        try:
            await self._speaker.take_floor(speech)
            if isinstance(sound, AsyncIterable):
                async for piece in sound:
                    await speech.mouth.write(piece, sample_rate=sample_rate, audio_format=audio_format)
            else:
                await speech.mouth.write(sound, sample_rate=sample_rate, audio_format=audio_format)
        except BelugaVoiceError as error:
            self._report.error(error, "session")
        except Exception as error:  # whoever makes the sound is not ours
            wrapped = PipelineError(f"the sound to be played raised {type(error).__name__}: {error}", operation="play")
            wrapped.__cause__ = error
            self._report.error(wrapped, "session")
        finally:
            self._speaker.end(speech)
            self._speaker.release_floor(speech)

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

    def _on_turn_started(self, event: _core.Event) -> None:
        self._turns.turn_started(event)

    def _on_turn_ended(self, event: _core.Event) -> None:
        turn = self._turns.turn_ended(event)
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
            for turn in self._turns.turns.values():
                turn.talked_over = turn.ended
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

    async def _understood(self, caller: CallerTurn) -> Transcript | None:
        """What the caller said in a turn that has ended; None where it is to be answered by nothing."""
        transcript = await self._turns.words(caller)
        text = transcript.text.strip() if transcript is not None else ""
        if self._contested is not None and len(text.split()) < self._interruption.min_words:
            return None  # too few words to stop the agent
        return replace(transcript, text=text) if transcript is not None and text else None

    async def _end_call_after(self, answer: Answer, reason: str) -> None:
        for said in answer.speeches:
            await said.finished.wait()
        self._end_call(reason)

    async def _answer_turn(self, caller: CallerTurn) -> None:
        transcript = await self._understood(caller)
        if transcript is None:
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
        answer = self._begin_answer(transcript.text if transcript is not None else "", caller.id, caller)
        if caller.talked_over and any(later > caller.id for later in self._turns.turns):
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

    async def _give_answer(self, answer: Answer, **about_the_turn: Any) -> None:
        asked = Turn(
            text=answer.text,
            history=tuple(item for item in self.history if item is not answer.item),
            session_id=self._session_id,
            metadata=self.metadata,
            **about_the_turn,
        )
        try:
            await self._reply(asked, answer)
        except ComponentFailedError as failed:
            self._report.error(failed.error, failed.component)
        except BelugaVoiceError as error:
            self._report.error(error, "agent")
        finally:
            if self._answer is answer:
                self._answer = None
                self._reply_done(answer.through)

    async def _stop_talking(self, *, but: Speech | None = None) -> None:
        """Ends what the agent says, as far as he lets himself be interrupted, and waits for the rest; all `but` one.

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
                if speech is but:
                    continue
                if speech.allow_interruptions and (speech.turn_id is not None or speech.started_at is not None):
                    self._speaker.interrupt(speech)
            fading = [each for each in self._speaker.begun if each.interrupted]
            if not fading:
                return
            for speech in fading:
                await speech.finished.wait()

    def _begin_answer(
        self, text: str, turn_id: int, caller: CallerTurn | None, *, through: int | None = None
    ) -> Answer:
        """The caller's words go into the history, with those before them that nobody answered."""
        if self._unheard is not None:
            unheard = self._unheard.item
            if unheard is not None:
                self.history[:] = [item for item in self.history if item is not unheard]
            text = f"{self._unheard.text} {text}".strip()
            self._unheard = None
        item = self._note_question(text, turn_id, caller) if text else None
        self._answer = Answer(
            turn_id,
            text,
            item,
            cast("asyncio.Task[None]", asyncio.current_task()),
            through=through if through is not None else turn_id,
            voiced_end_s=caller.voiced_end_s if caller is not None else None,
        )
        return self._answer

    def _note_question(self, text: str, turn_id: int, caller: CallerTurn | None) -> ChatMessage:
        """What the caller said goes into the history."""
        item = ChatMessage(role="user", text=text)
        self.history.append(item)
        self._tell_question(item, turn_id, caller)
        return item

    def _tell_question(self, item: ChatMessage, turn_id: int, caller: CallerTurn | None) -> None:
        metrics: dict[str, float] = {}
        if caller is not None and caller.ended:
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

    def _run_of(self, agent: AgentHost, answer: Answer) -> AgentRun:
        """What is measured of the agent's part in an answer, told when that has ended."""
        return AgentRun(self._usage.thought, functools.partial(self._agent_ended, agent.name, answer.turn_id))

    def _agent_ended(self, name: str, turn_id: int, run: AgentRun) -> None:
        """However long what it said is still being spoken."""
        if self._closed:
            return  # it went on though it was cancelled, and the session is over
        last = run.tokens[-1] if run.tokens else None
        metrics = LLMMetrics(
            label=name,
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

    def _begin_reply(self, answer: Answer) -> Speech:
        speech = self._speaker.begin(
            "reply", part_of=answer, turn_id=answer.turn_id, caller_voiced_end_s=answer.voiced_end_s
        )
        answer.speeches.append(speech)
        return speech

    def _begin_say(self, answer: Answer, command: Say) -> Speech:
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

    def _tell_tool(
        self, command: ToolStarted | ToolFinished, tools: dict[str, ToolStarted], turn_id: int | None
    ) -> None:
        at_s = self._report.at_s
        if isinstance(command, ToolStarted):
            tools[command.call_id or command.name] = command
            self._report.event(
                FunctionToolStarted(at_s=at_s, name=command.name, arguments=command.arguments, call_id=command.call_id)
            )
            return
        started = tools.pop(command.call_id or command.name, None)
        self._report.event(
            FunctionToolsExecuted(
                at_s=at_s,
                name=command.name,
                arguments=started.arguments if started is not None else {},
                result=command.result,
                error=command.error,
                call_id=command.call_id,
                turn_id=turn_id,
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


Pipeline = TurnTaking[Any, Any]
"""The pipeline of a session, whichever it is."""
