"""STT, agent, TTS: what becomes of a caller's turn.

The core decides whose turn it is and stops the sound; this decides what is said. A turn's transcript is asked of the
agent, its answer is cut into sentences, each is spoken as soon as it is there. What the caller talks over is
cancelled whole: the agent, the voice, what waits to be played; history keeps what was heard.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from beluga_voice.commands import Command, EndCall, Say, ToolFinished, ToolStarted
from beluga_voice.core_errors import translated
from beluga_voice.errors import BelugaVoiceError, ComponentError, InternalError
from beluga_voice.events import (
    AgentFalseInterruption,
    ConversationItemAdded,
    ErrorEvent,
    FunctionToolsExecuted,
    FunctionToolStarted,
    Interruption,
    PlayoutFinished,
    PlayoutMark,
    PlayoutStarted,
    SessionEvent,
    SpeechCreated,
    UserInputTranscribed,
    UserTurnEnded,
    UserTurnStarted,
)
from beluga_voice.pipeline.ear import CallEar, CallUtterance
from beluga_voice.pipeline.mouth import CallMouth
from beluga_voice.pipeline.sentences import SentenceSplitter
from beluga_voice.pipeline.speech import Speech, SpeechHandle
from beluga_voice.tasks import Tasks
from beluga_voice.turn import ChatMessage, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from beluga_voice import _core
    from beluga_voice.agent import AgentHost
    from beluga_voice.call_link import CallLink
    from beluga_voice.config import Interruption as InterruptionRules
    from beluga_voice.speech_to_text import SpeechToText, Transcript
    from beluga_voice.text_to_speech import TextToSpeech

__all__ = ["Cascade"]

# A recogniser that has not come to an end by then never will, in seconds.
_TRANSCRIPT_TIMEOUT_S = 10.0
# An agent that pauses this long after a full stop has finished its sentence, in seconds.
_SETTLE_S = 0.08
# How long a recogniser that is given up may take to let go, in seconds.
_GRACE_S = 1.0
# Between attempts to start a failed recogniser again, in seconds.
_RETRY_DELAYS_S = (0.0, 0.2, 1.0, 3.0)
# The tick in which the core reports something lasts this long, in seconds.
_TICK_S = 0.01


@dataclass(slots=True)
class _CallerTurn:
    """One turn of the caller, as far as it is known."""

    id: int
    onset_s: float
    utterance: CallUtterance
    voiced_end_s: float = 0.0
    decided_at_s: float = 0.0
    decided_at: float = 0.0
    transcript: asyncio.Future[Transcript | None] = field(default_factory=lambda: _future())
    transcribed_at: float | None = None
    talked_over: bool = False
    """He went on before his words were understood: they wait for the rest."""


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class _Answer:
    """An answer being given, and its question."""

    caller: _CallerTurn
    item: ChatMessage
    task: asyncio.Task[None]
    through: int
    """The last turn that needs no other answer: this one's, or one without words that came while it was given."""
    speeches: list[Speech] = field(default_factory=list[Speech])
    tools: dict[str, ToolStarted] = field(default_factory=dict[str, ToolStarted])


class _FailedError(Exception):
    """A component's failure on its way to where it is told."""

    def __init__(self, error: BelugaVoiceError, source: Literal["stt", "tts"]) -> None:
        super().__init__(error)
        self.error = error
        self.source: Literal["stt", "tts"] = source


class Cascade:
    """The pipeline of one session. Belongs to the loop that it was made on."""

    def __init__(
        self,
        link: CallLink,
        *,
        stt: SpeechToText,
        stt_name: str,
        tts: TextToSpeech,
        tts_name: str,
        agent: AgentHost,
        interruption: InterruptionRules,
        session_id: str,
        metadata: Mapping[str, Any],
        emit: Callable[[SessionEvent], None],
        end_call: Callable[[str], None],
    ) -> None:
        self.history: list[ChatMessage] = []
        self._link = link
        self._stt = stt
        self._stt_name = stt_name
        self._tts = tts
        self._tts_name = tts_name
        self._agent = agent
        self._interruption = interruption
        self._session_id = session_id
        self._metadata = metadata
        self._emit = emit
        self._end_call = end_call
        self._ear = CallEar(link)
        self._tasks = Tasks(self._failed)
        self._turns: dict[int, _CallerTurn] = {}
        self._speeches: dict[int, Speech] = {}
        """By their numbers in the core, until they were played."""
        self._unfinished: dict[str, Speech] = {}
        """Those, and what has no sound yet."""
        self._numbers = itertools.count(1)
        # One utterance is written at a time, in the order in which they were asked for.
        self._floor = asyncio.Lock()
        self._answer: _Answer | None = None
        self._unheard: _Answer | None = None
        self._contested: Speech | None = None
        """The speech that the caller talks over, until words say whether he means it."""

    @property
    def _at_s(self) -> float:
        """Session time now."""
        return self._link.call.ear_written / self._ear.sample_rate

    def start(self) -> None:
        """Begins to listen."""
        self._listener = self._tasks.start(self._listen(), name="stt")

    async def aclose(self) -> None:
        """Ends everything that was begun."""
        self._ear.close()
        await self._tasks.cancel()
        for speech in list(self._unfinished.values()):
            speech.interrupted = True
            self._finish(speech)

    def say(self, text: str, *, allow_interruptions: bool) -> SpeechHandle:
        """Speaks `text` as soon as what was asked for before it is written."""
        speech = self._begin_speech(None, "say", allow_interruptions=allow_interruptions)
        speech.task = self._tasks.start(self._say(speech, text), name=f"say {speech.id}")
        return SpeechHandle(speech, self._interrupt)

    def interrupt(self) -> None:
        """Fades out whatever is being said and gives up the rest; the question is not asked again."""
        answer = self._answer
        self._give_up_answer()
        self._unheard = None
        for speech in list(self._unfinished.values()):
            self._interrupt(speech)
        if answer is not None:
            self._reply_done(answer.through)

    # -- what the core reports ------------------------------------------------------------------------------------

    def on_event(self, event: _core.Event) -> None:
        """Takes an event of the core's; those that are not the pipeline's business pass."""
        handler = getattr(self, f"_on_{event.kind}", None)
        if handler is not None:
            handler(event)

    def _on_turn_started(self, event: _core.Event) -> None:
        turn_id, onset_s = cast("int", event.turn), cast("float", event.onset_s)
        utterance = self._ear.begin_turn(turn_id, cast("int", event.read_from))
        self._turns[turn_id] = _CallerTurn(turn_id, onset_s, utterance)
        self._emit(UserTurnStarted(at_s=event.at_s, turn_id=turn_id, onset_s=onset_s))

    def _on_turn_ended(self, event: _core.Event) -> None:
        turn = self._turns[cast("int", event.turn)]
        turn.voiced_end_s = cast("float", event.voiced_end_s)
        turn.decided_at_s = event.at_s
        turn.decided_at = event.now_us / 1e6
        self._end_utterance(turn, event)
        self._emit(
            UserTurnEnded(at_s=event.at_s, turn_id=turn.id, onset_s=turn.onset_s, voiced_end_s=turn.voiced_end_s)
        )
        self._tasks.start(self._answer_turn(turn), name=f"turn {turn.id}")

    def _on_turn_dropped(self, event: _core.Event) -> None:
        turn = self._turns.pop(cast("int", event.turn))
        self._end_utterance(turn, event)
        self._emit(UserTurnEnded(at_s=event.at_s, turn_id=turn.id, onset_s=turn.onset_s, discarded=True))

    def _end_utterance(self, turn: _CallerTurn, event: _core.Event) -> None:
        turn.utterance.end(round(event.at_s * self._ear.sample_rate))

    def _on_interrupted(self, event: _core.Event) -> None:
        speech = self._speeches.get(event.utterance) if event.utterance is not None else None
        self._emit(
            Interruption(
                at_s=event.at_s,
                speech_id=speech.id if speech is not None else None,
                onset_s=cast("float", event.onset_s),
                action=cast("Any", event.action),
            )
        )
        if speech is None:
            self._give_up_answer()
            for turn in self._turns.values():
                turn.talked_over = turn.decided_at > 0
        elif event.action == "pause" and not self._interruption.resume_false_interruption:
            self._cut_short(speech)
        else:
            self._contested = speech

    def _on_resumed(self, event: _core.Event) -> None:
        self._contested = None
        self._emit(AgentFalseInterruption(at_s=event.at_s, resumed=True))

    def _on_playout_started(self, event: _core.Event) -> None:
        speech = self._speeches[cast("int", event.utterance)]
        speech.started_at = event.now_us / 1e6
        speech.started_at_s = event.at_s - _TICK_S
        self._emit(PlayoutStarted(at_s=event.at_s, speech_id=speech.id))

    def _on_playout_finished(self, event: _core.Event) -> None:
        speech = self._speeches.pop(cast("int", event.utterance))
        speech.played_s = cast("float", event.played_s)
        speech.interrupted = speech.interrupted or bool(event.interrupted)
        speech.stopped_at_s = event.at_s
        if self._contested is speech:
            self._contested = None
        self._emit(
            PlayoutFinished(
                at_s=event.at_s, speech_id=speech.id, played_s=speech.played_s, interrupted=speech.interrupted
            )
        )
        self._remember(speech)
        self._finish(speech)

    def _on_mark_reached(self, event: _core.Event) -> None:
        speech = self._speeches[cast("int", event.utterance)]
        name = speech.mouth.mark_reached(cast("int", event.mark))
        played_s = cast("float", event.played_s)
        self._emit(PlayoutMark(at_s=event.at_s, speech_id=speech.id, name=name, played_s=played_s))

    # -- hearing --------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        failures = 0
        while True:
            transcripts: AsyncIterator[Transcript] | None = None
            try:
                transcripts = self._stt.stream(self._ear)
                async for transcript in transcripts:
                    failures = 0
                    self._on_transcript(transcript)
                if self._ear.closed:
                    return
                raise ComponentError(
                    "the recogniser's stream ended, the call did not", component="stt", code="stream_closed"
                )
            except Exception as error:
                if self._link.call.closed:
                    return
                self._emit_error(_component_error(error, "stt", self._stt_name), "stt")
                self._lose_transcript(error)
                await _close(transcripts)
                await asyncio.sleep(_RETRY_DELAYS_S[min(failures, len(_RETRY_DELAYS_S) - 1)])
                failures += 1

    async def _listen_anew(self, stuck: asyncio.Task[None]) -> None:
        stuck.cancel()
        await asyncio.wait({stuck}, timeout=_GRACE_S)
        await self._listen()

    def _on_transcript(self, transcript: Transcript) -> None:
        turn = self._turn_of(transcript.turn_id)
        self._emit(
            UserInputTranscribed(
                at_s=self._at_s,
                transcript=transcript.text,
                is_final=transcript.is_final,
                turn_id=turn.id if turn is not None else transcript.turn_id,
                language=transcript.language,
            )
        )
        if turn is None:  # a dropped turn's: heard, not answered
            return
        if self._contested is not None and len(transcript.text.split()) >= max(1, self._interruption.min_words):
            self._cut_short(self._contested)
        if transcript.is_final and not turn.transcript.done():
            turn.transcribed_at = time.monotonic()
            turn.transcript.set_result(transcript)

    def _turn_of(self, turn_id: int | None) -> _CallerTurn | None:
        if turn_id is not None:
            return self._turns.get(turn_id)
        # A recogniser that cuts the sound itself: its words belong to the oldest turn that waits for some.
        return next((turn for turn in self._turns.values() if not turn.transcript.done()), None)

    def _lose_transcript(self, error: Exception) -> None:
        details = error.details if isinstance(error, BelugaVoiceError) else {}
        turn = self._turn_of(details.get("turn_id"))
        if turn is not None and not turn.transcript.done() and self._ear.was_handed(turn.id):
            turn.transcript.set_result(None)

    # -- answering ------------------------------------------------------------------------------------------------

    async def _answer_turn(self, caller: _CallerTurn) -> None:
        transcript = await self._transcript(caller)
        self._turns.pop(caller.id, None)
        text = transcript.text.strip() if transcript is not None else ""
        if self._contested is not None and len(text.split()) < self._interruption.min_words:
            text = ""  # too few words to stop the agent
        if not text:
            # No words: what he stopped goes on, and a question that this noise cut off still stands.
            if self._contested is not None:
                self._contested = None
                self._send(self._link.call.resume)
            if self._answer is None and self._unheard is None:
                self._reply_done(caller.id)
            if self._answer is not None:
                self._answer.through = caller.id
            if self._answer is not None or self._unheard is None:
                return
        await self._take_the_floor()
        answer = self._begin_answer(caller, text)
        if caller.talked_over and any(later > caller.id for later in self._turns):
            self._answer, self._unheard = None, answer
            return
        asked = Turn(
            text=answer.item.text,
            history=tuple(self.history[:-1]),
            language=transcript.language if transcript is not None else None,
            confidence=transcript.confidence if transcript is not None else None,
            started_at_s=caller.onset_s,
            ended_at_s=caller.voiced_end_s,
            session_id=self._session_id,
            metadata=self._metadata,
        )
        try:
            await self._reply(asked, answer)
        except _FailedError as failed:
            self._emit_error(failed.error, failed.source)
        except BelugaVoiceError as error:
            self._emit_error(error, "agent")
        finally:
            if self._answer is answer:
                self._answer = None
                self._reply_done(answer.through)

    async def _transcript(self, caller: _CallerTurn) -> Transcript | None:
        try:
            async with asyncio.timeout(_TRANSCRIPT_TIMEOUT_S):
                return await caller.transcript
        except TimeoutError:
            error = ComponentError(
                f"no final transcript {_TRANSCRIPT_TIMEOUT_S:g} s after the end of the turn",
                component="stt",
                code="stream_timeout",
                provider=self._stt_name,
                details={"turn_id": caller.id},
            )
            self._emit_error(error, "stt")
            # What it is stuck in must not cost the turns after this one.
            self._listener = self._tasks.start(self._listen_anew(self._listener), name="stt")
            return None

    async def _take_the_floor(self) -> None:
        """Ends what the agent says, as far as he lets himself be interrupted, and waits for the rest.

        Then the history holds what was heard of it.
        """
        while True:
            answer = self._answer
            if answer is not None and not self._interruption.enabled:
                await asyncio.wait({answer.task})
                continue
            lasting = next(
                (each for each in self._speeches.values() if each.started_at and not each.allow_interruptions), None
            )
            if answer is not None and lasting is not None and lasting in answer.speeches:
                await lasting.finished.wait()
                continue
            if self._contested is not None:
                self._cut_short(self._contested)
            self._give_up_answer()
            for speech in list(self._unfinished.values()):
                # An answer to what he said before, or what he hears: what merely waits to be said is still to be said.
                if speech.allow_interruptions and (speech.turn_id is not None or speech.started_at is not None):
                    self._interrupt(speech)
            fading = [each for each in self._speeches.values() if each.interrupted]
            if not fading:
                return
            for speech in fading:
                await speech.finished.wait()

    def _begin_answer(self, caller: _CallerTurn, text: str) -> _Answer:
        """The caller's words go into the history, with those before them that nobody answered."""
        if self._unheard is not None:
            unheard = self._unheard.item
            self.history[:] = [item for item in self.history if item is not unheard]
            text = f"{self._unheard.item.text} {text}".strip()
            self._unheard = None
        item = ChatMessage(role="user", text=text)
        self.history.append(item)
        metrics = {"end_of_turn_delay": caller.decided_at_s - caller.voiced_end_s}
        if caller.transcribed_at is not None:
            metrics["transcription_delay"] = max(0.0, caller.transcribed_at - caller.decided_at)
        self._emit(
            ConversationItemAdded(
                at_s=self._at_s,
                item=item,
                turn_id=caller.id,
                started_speaking_at_s=caller.onset_s,
                stopped_speaking_at_s=caller.voiced_end_s,
                metrics=metrics,
            )
        )
        self._answer = _Answer(caller, item, cast("asyncio.Task[None]", asyncio.current_task()), through=caller.id)
        return self._answer

    async def _reply(self, asked: Turn, answer: _Answer) -> None:
        reason: str | None = None
        async with (
            self._floor,
            aclosing(self._agent.run(asked)) as answered,
            aclosing(_with_pauses(answered)) as pieces,
        ):
            speech = self._begin_speech(answer, "reply")
            splitter = SentenceSplitter()
            try:
                async for piece in pieces:
                    if piece is None:
                        await self._speak(speech, splitter.settle())
                        continue
                    if isinstance(piece, str):
                        speech.first_text_at = speech.first_text_at or time.monotonic()
                        await self._speak(speech, splitter.push(piece))
                        continue
                    # What was said before a command is said before it is carried out.
                    await self._speak(speech, splitter.flush())
                    if isinstance(piece, Say):
                        self._end_speech(speech)
                        speech = self._begin_speech(answer, "say", allow_interruptions=piece.allow_interruptions)
                        await self._speak(speech, [piece.text])
                        self._end_speech(speech)
                        speech = self._begin_speech(answer, "reply")
                    elif isinstance(piece, EndCall):
                        reason = piece.reason
                        break
                    else:
                        self._tell_tool(piece, answer)
                await self._speak(speech, splitter.flush())
            finally:
                self._end_speech(speech)
        if reason is not None:
            for said in answer.speeches:
                await said.finished.wait()
            self._end_call(reason)

    def _give_up_answer(self) -> None:
        """Cancels the answer being given. If nothing of it was heard, its question is kept for the next turn."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        answer.task.cancel()
        self._drop(answer)
        if not any(speech.started_at is not None for speech in answer.speeches):
            self._unheard = answer

    def _tell_tool(self, command: ToolStarted | ToolFinished, answer: _Answer) -> None:
        if isinstance(command, ToolStarted):
            answer.tools[command.call_id or command.name] = command
            self._emit(
                FunctionToolStarted(
                    at_s=self._at_s, name=command.name, arguments=command.arguments, call_id=command.call_id
                )
            )
            return
        started = answer.tools.pop(command.call_id or command.name, None)
        self._emit(
            FunctionToolsExecuted(
                at_s=self._at_s,
                name=command.name,
                arguments=started.arguments if started is not None else {},
                result=command.result,
                error=command.error,
                call_id=command.call_id,
                turn_id=answer.caller.id,
            )
        )

    # -- speaking -------------------------------------------------------------------------------------------------

    async def _say(self, speech: Speech, text: str) -> None:
        splitter = SentenceSplitter()
        try:
            async with self._floor:
                await self._speak(speech, splitter.push(text) + splitter.flush())
        except _FailedError as failed:
            self._emit_error(failed.error, failed.source)
        finally:
            self._end_speech(speech)

    def _begin_speech(
        self, answer: _Answer | None, source: Literal["say", "reply"], *, allow_interruptions: bool = True
    ) -> Speech:
        speech = Speech(
            id=f"speech_{next(self._numbers)}",
            source=source,
            allow_interruptions=allow_interruptions and self._interruption.enabled,
            turn_id=answer.caller.id if answer is not None else None,
            caller_voiced_end_s=answer.caller.voiced_end_s if answer is not None else None,
        )
        speech.mouth = CallMouth(self._link, lambda: self._open_utterance(speech))
        self._unfinished[speech.id] = speech
        if answer is not None:
            answer.speeches.append(speech)
        self._emit(SpeechCreated(at_s=self._at_s, speech_id=speech.id, source=source, turn_id=speech.turn_id))
        return speech

    async def _speak(self, speech: Speech, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            speech.begin_segment(sentence)
            complete = False
            try:
                await self._tts.synthesize(sentence, speech.mouth)
                complete = True
            except Exception as error:
                raise _FailedError(_component_error(error, "tts", self._tts_name), "tts") from error
            finally:
                speech.end_segment(complete=complete)

    def _end_speech(self, speech: Speech) -> None:
        """Nothing more will be written of it. Without any sound it is done."""
        speech.mouth.close()
        if speech.utterance is None:
            self._finish(speech)

    def _finish(self, speech: Speech) -> None:
        self._unfinished.pop(speech.id, None)
        speech.finished.set()

    def _open_utterance(self, speech: Speech) -> int:
        rules = self._interruption
        action = "await_words" if rules.min_words else "duck" if rules.duck_gain_db is not None else "pause"
        with translated():
            utterance = self._link.call.begin_utterance(
                allow_interruptions=speech.allow_interruptions,
                min_interruption_ms=round(rules.min_duration * 1000),
                interruption_action=action,
            )
        self._speeches[utterance] = speech
        return utterance

    def _interrupt(self, speech: Speech) -> None:
        """Fades it out and gives up the rest, whether that is still to be played or still to be made."""
        if speech.finished.is_set():
            return
        speech.interrupted = True
        if speech.task is not None:
            speech.task.cancel()
        self._end_speech(speech)
        utterance = speech.utterance
        if utterance is not None:
            self._send(lambda: self._link.call.drop_utterance(utterance))

    def _drop(self, answer: _Answer) -> None:
        for speech in answer.speeches:
            self._interrupt(speech)

    def _cut_short(self, speech: Speech) -> None:
        """The caller means it: the rest of the speech is not said, nor of the answer that it is part of."""
        self._contested = None
        if self._answer is not None and speech in self._answer.speeches:
            self._give_up_answer()
            return
        for part in list(self._unfinished.values()):
            if part is speech or (part.turn_id is not None and part.turn_id == speech.turn_id):
                self._interrupt(part)

    def _remember(self, speech: Speech) -> None:
        """What was heard of a speech goes into the history."""
        heard = speech.heard
        if not heard:
            return
        item = ChatMessage(role="assistant", text=heard, interrupted=speech.interrupted)
        self.history.append(item)
        self._emit(
            ConversationItemAdded(
                at_s=self._at_s,
                item=item,
                turn_id=speech.turn_id,
                speech_id=speech.id,
                started_speaking_at_s=speech.started_at_s,
                stopped_speaking_at_s=speech.stopped_at_s,
                metrics=speech.metrics,
            )
        )

    # -- failing --------------------------------------------------------------------------------------------------

    def _send(self, command: Callable[[], None]) -> None:
        # A command to a call that has ended meanwhile has nothing left to do.
        with translated():
            command()

    def _reply_done(self, turn_id: int) -> None:
        self._send(lambda: self._link.call.reply_done(turn_id))

    def _emit_error(self, error: BelugaVoiceError, source: Literal["stt", "agent", "tts", "session"]) -> None:
        if self._link.call.closed:
            return  # what is cut off by the end of the call is no failure
        self._emit(ErrorEvent(at_s=self._at_s, error=error, source=source, recoverable=True))

    def _failed(self, error: BaseException) -> None:
        """A defect of ours: no component or agent gets this far."""
        wrapped = InternalError(f"{type(error).__name__}: {error}", operation="pipeline")
        wrapped.__cause__ = error
        self._emit_error(wrapped, "session")


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


async def _close(transcripts: AsyncIterator[Transcript] | None) -> None:
    """Ends a stream of transcripts that is not read to its end."""
    close: Callable[[], Awaitable[object]] | None = getattr(transcripts, "aclose", None)
    if close is not None:
        with suppress(Exception):  # its failure was told already
            await close()


def _component_error(error: Exception, component: Literal["stt", "tts"], provider: str) -> BelugaVoiceError:
    if isinstance(error, BelugaVoiceError):
        error.provider = error.provider or provider
        return error
    wrapped = ComponentError(
        f"{type(error).__name__}: {error}", component=component, code="internal_error", provider=provider
    )
    wrapped.__cause__ = error
    return wrapped
