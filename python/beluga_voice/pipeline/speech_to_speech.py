"""A model that hears and speaks: what becomes of a caller's turn without text in between.

The caller's sound goes from the ear into the model, the model's sound into the mouth. The core decides when a turn is
over, or the model where it is told to (`detects_turns`); barge-in is the core's business in either case: the model
learns that it was talked over and how much was heard. An agent, where there is one, is asked about each turn first;
its text is what the model is told to do with its answer.
"""

from __future__ import annotations

import asyncio
import itertools
import traceback
from collections import deque
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from beluga_voice.clock import now
from beluga_voice.commands import EndCall, Say, TokensUsed, ToolFinished, ToolStarted
from beluga_voice.errors import AgentError, ComponentError
from beluga_voice.events import MetricsCollected
from beluga_voice.metrics import RealtimeModelMetrics
from beluga_voice.pipeline.caller_turns import CallerTurns
from beluga_voice.pipeline.component_fault import ComponentFailedError, component_fault
from beluga_voice.pipeline.conversation import CallConversation, CallReply, DroppedReply
from beluga_voice.pipeline.model_playout import ModelPlayout
from beluga_voice.pipeline.model_turns import ModelTurns
from beluga_voice.pipeline.restarts import Restarts, let_go
from beluga_voice.pipeline.transcript_check import checked_transcript
from beluga_voice.pipeline.turn_taking import Answer, TurnTaking
from beluga_voice.speech_to_speech import GiveUp, Request, Respond, Speak
from beluga_voice.speech_to_text import Transcript
from beluga_voice.turn import ChatMessage

if TYPE_CHECKING:
    from beluga_voice import _core
    from beluga_voice.pipeline.caller_turns import CallerTurn
    from beluga_voice.pipeline.speech import Speech
    from beluga_voice.pipeline.turn_taking import PipelineContext
    from beluga_voice.speech_to_speech import SpeechToSpeech as Model
    from beluga_voice.turn import Turn

__all__ = ["SpeechToSpeechPipeline"]

# Requests that were answered and to which a model may have more to say, after a tool has given its result.
_REMEMBERED = 16
# Tools of a model that are at work. Policy: of more than these the first one's arguments are not told with its result.
_TOOLS = 64
# Letters of what an agent may tell the model to do with one answer.
_LONGEST_INSTRUCTIONS = 50_000


@dataclass(slots=True, eq=False)
class _Ask:
    """The request that the model is at."""

    request: Respond | Speak
    reply: CallReply
    begun: bool = False
    again: bool = False
    """A model died over it, and the next one was asked."""
    excused: bool = False
    """There was a reason to say nothing: a failure that is told, or a tool."""


class SpeechToSpeechPipeline(TurnTaking[CallerTurns, ModelPlayout]):
    """The pipeline of one session with a model of speech.

    - `s2s_timeout_s`: how long the model may give no sound of an answer that it owes while there is room for some.
    - `context.agent`: asked about each turn before the model answers; None: the model answers by itself.
    - `detects_turns`: the model finds the end of turns, and answers when it likes unless there is an agent.
    """

    def __init__(
        self, context: PipelineContext, *, s2s: Model, s2s_name: str, s2s_timeout_s: float, detects_turns: bool
    ) -> None:
        super().__init__(context)
        self.detects_turns = detects_turns
        self._s2s = s2s
        self._s2s_name = s2s_name
        self._timeout_s = s2s_timeout_s
        self._turns = (ModelTurns if detects_turns else CallerTurns)(
            context.link,
            component="s2s",
            name=s2s_name,
            timeout_s=context.transcript_timeout_s,
            processing=context.processing,
            stage="pre_s2s",
            report=self._report,
            usage=context.usage,
            on_words=self._on_words,
        )
        self._speaker = ModelPlayout(
            context.link,
            processing=context.processing,
            interruption=context.interruption,
            report=self._report,
            on_played=self._remember,
            on_stopped=self._on_stopped,
            on_finished=self._on_finished,
        )
        self._conversation: CallConversation | None = None
        """The model's present life."""
        self._numbers = itertools.count(1)
        self._ask: _Ask | None = None
        self._replies: dict[str, CallReply] = {}
        """By their speeches' ids, until those were played."""
        self._answered: deque[int] = deque(maxlen=_REMEMBERED)
        """Requests whose replies ended as they should."""
        self._latest: CallerTurn | None = None
        """The turn that began last."""
        self._done_through = 0
        """The last turn to which there is no answer to come."""
        self._asked_through = 0
        """The last turn that the agent was asked about because the model had found its end."""
        self._asking: asyncio.Task[None] | None = None
        """What asks him about it, until that is settled."""
        self._tools: dict[str, ToolStarted] = {}
        self._turn_of: dict[int, int] = {}
        """Which turn an item of the history belongs to, by the item's identity."""
        self._sound_dropped = 0
        self._requests_dropped = 0
        self._restarts = 0
        self._unanswered = 0
        self._connect()

    @property
    def replies_on_request(self) -> bool:
        """Whether the model is to answer when it is asked to, and not when it thinks that it is its turn."""
        return self.agent is not None or not self.detects_turns

    def stats(self) -> dict[str, int]:
        """Its counters by name."""
        conversation = self._conversation
        return {
            **super().stats(),
            "s2s_sounds_dropped": self._sound_dropped,
            "s2s_requests_dropped": self._requests_dropped
            + (conversation.requests_dropped if conversation is not None else 0),
            "s2s_restarts": self._restarts,
            "s2s_turns_unanswered": self._unanswered,
        }

    def start(self) -> None:
        """Begins to listen."""
        self._conversing = self._tasks.start(self._converse(), name="s2s")

    async def aclose(self) -> dict[str, int]:
        """Ends everything that was begun; returns the counters as they are in the end."""
        self._end_life()
        counters = await super().aclose()
        # Each holds this pipeline.
        self._ask = None
        self._replies.clear()
        return counters

    async def _speak(self, speech: Speech, text: str) -> None:
        await self._request(speech, Speak(id=next(self._numbers), text=text))

    # -- asking the model -----------------------------------------------------------------------------------------

    async def _reply(self, asked: Turn, answer: Answer) -> None:
        """Asks the agent what is to be said, then the model to say it."""
        instructions: list[str] = []
        reason: str | None = None
        said = False
        speech = self._begin_reply(answer)
        try:
            agent = self.agent
            if agent is not None:
                async with aclosing(agent.run(asked, self._run_of(agent, answer))) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, str):
                            instructions.append(piece)
                        elif isinstance(piece, Say):
                            said = True
                            await self._speak(self._begin_say(answer, piece), piece.text)
                        elif isinstance(piece, EndCall):
                            reason = piece.reason
                            break
                        elif isinstance(piece, (ToolStarted, ToolFinished)):
                            self._tell_tool(piece, answer.tools, answer.turn_id)
            wanted = "".join(instructions).strip()
            if len(wanted) > _LONGEST_INSTRUCTIONS:
                raise AgentError(
                    f"the agent gave instructions of {len(wanted)} letters: allowed: up to {_LONGEST_INSTRUCTIONS}",
                    operation="respond",
                )
            if wanted or not (said or reason is not None):
                request = Respond(
                    id=next(self._numbers),
                    turn_id=answer.turn_id if answer.turn_id > 0 else None,
                    text=asked.text if answer.turn_id < 0 else "",
                    instructions=wanted,
                )
                await self._request(speech, request)
        finally:
            self._speaker.end(speech)
            self._speaker.release_floor(answer)
        if reason is not None:
            await self._end_call_after(answer, reason)

    async def _request(self, speech: Speech, request: Respond | Speak) -> None:
        """Has the model write `speech`. Raises ComponentFailedError when it is too late."""
        reply: CallReply | None = None
        try:
            await self._speaker.take_floor(speech.part_of)
            known_text = request.text if isinstance(request, Speak) else ""
            reply = CallReply(request.id, speech, self, known_text=known_text)
            reply.may_sound.set()
            self._replies[speech.id] = reply
            ask = self._ask = _Ask(request, reply)
            self._send(request)
            await self._until_written(reply)
            if speech.utterance is None and not reply.given_up and not ask.excused:
                self._report.error(self._fault("empty_response", "the model gave no sound"), "s2s")
            if not reply.given_up:
                self._answered.append(request.id)
        finally:
            if reply is not None:
                if not reply.written.is_set():
                    reply.give_up()
                if self._ask is not None and self._ask.reply is reply:
                    self._ask = None
            self._speaker.end(speech)

    async def _until_written(self, reply: CallReply) -> None:
        began_at, mouth = now(), reply.speech.mouth
        try:
            await self._written_in_time(reply)
        finally:
            self._usage.sounded(mouth.written_s)
            cut_off = reply.given_up or not reply.written.is_set()
            metrics = RealtimeModelMetrics(
                label=self._s2s_name,
                speech_id=reply.speech.id,
                turn_id=reply.speech.turn_id,
                audio_duration=mouth.written_s,
                duration=now() - began_at,
                ttft=mouth.first_sound_at - began_at if mouth.first_sound_at is not None else None,
                cancelled=cut_off and reply.error is None,
                error=reply.error,
            )
            self._report.event(MetricsCollected(at_s=self._report.at_s, metrics=metrics))

    async def _written_in_time(self, reply: CallReply) -> None:
        loop = asyncio.get_running_loop()
        while not reply.written.is_set():
            left_s = max(reply.asked_at, reply.speech.mouth.idle_since) + self._timeout_s - loop.time()
            if left_s <= 0:
                written_s = reply.speech.mouth.written_s
                reply.give_up()
                # What it is stuck in must not cost the turns after this one.
                self._start_anew()
                message = f"no sound for {self._timeout_s:g} s, {written_s:.2f} s into the reply"
                reply.error = "stream_timeout"
                raise ComponentFailedError(self._fault(reply.error, message), "s2s")
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await reply.written.wait()

    def _send(self, request: Request) -> None:
        if self._conversation is not None:
            self._conversation.send(request)

    def _on_stopped(self, speech: Speech) -> None:
        reply = self._replies.get(speech.id)
        if reply is not None:
            reply.give_up()

    def _on_finished(self, speech: Speech) -> None:
        reply = self._replies.pop(speech.id, None)
        if reply is not None and speech.interrupted:
            self._send(GiveUp(reply_id=reply.id, heard_s=speech.played_s, heard_text=speech.heard))

    def _fault(self, code: str, message: str) -> ComponentError:
        return ComponentError(message, component="s2s", code=code, provider=self._s2s_name, operation="converse")

    # -- the caller's turns ---------------------------------------------------------------------------------------

    def _on_turn_started(self, event: _core.Event) -> None:
        self._latest = self._turns.turn_started(event)

    def _on_turn_ended(self, event: _core.Event) -> None:
        if not self.detects_turns:
            super()._on_turn_ended(event)
            return
        turn = self._turns.turn_ended(event)
        if not self.replies_on_request:
            self._note_words_of(turn)
        self._start_answering(self._await_answer(turn), name=f"turn {turn.id}")

    async def _await_answer(self, turn: CallerTurn) -> None:
        """The model found no end of a turn that the core has heard, or nothing to say: then nobody waits for it."""
        if turn.id <= self._done_through:  # it was answered before the core had found its end
            self._reply_done(turn.id)
            return
        await asyncio.sleep(self._timeout_s)
        asking = self._asking is not None and not self._asking.done()
        if turn.id > self._done_through and self._answer is None and not asking:
            self._unanswered += 1
            self._turns.turns.pop(turn.id, None)
            self._reply_done(turn.id)

    def _note_words_of(self, turn: CallerTurn) -> None:
        """Its words, if there will be any, come into the history when they are known."""
        if self._s2s.transcribes:
            self._tasks.start(self._note_words(turn), name=f"words of turn {turn.id}")
        else:
            self._turns.turns.pop(turn.id, None)

    async def _note_words(self, turn: CallerTurn) -> None:
        transcript = await self._turns.words(turn)
        if transcript is None or not transcript.text.strip():
            return
        item = ChatMessage(role="user", text=transcript.text.strip())
        at = len(self.history)
        # Before what was answered to it meanwhile.
        while at and self._turn_of.get(id(self.history[at - 1]), 0) >= turn.id:
            at -= 1
        self.history.insert(at, item)
        self._turn_of[id(item)] = turn.id
        self._tell_question(item, turn.id, turn)

    async def _understood(self, caller: CallerTurn) -> Transcript | None:
        if not self._s2s.transcribes or (self.agent is None and self._contested is None):
            # Whatever it was, the model has heard it, and nobody else has to know the words now.
            self._note_words_of(caller)
            return Transcript("", is_final=True)
        return await super()._understood(caller)

    def _note_question(self, text: str, turn_id: int, caller: CallerTurn | None) -> ChatMessage:
        item = super()._note_question(text, turn_id, caller)
        if turn_id > 0:
            self._turn_of[id(item)] = turn_id
        return item

    def _remember(self, speech: Speech) -> None:
        before = len(self.history)
        super()._remember(speech)
        if len(self.history) > before and speech.turn_id is not None:
            self._turn_of[id(self.history[-1])] = speech.turn_id

    def _reply_done(self, turn_id: int) -> None:
        self._done_through = max(self._done_through, turn_id)
        super()._reply_done(turn_id)

    # -- what the model says (`Director`) -------------------------------------------------------------------------

    def reply_begins(self, conversation: CallConversation, request: object) -> CallReply | DroppedReply:
        """A model begins a reply."""
        if conversation is not self._conversation:
            return DroppedReply(0, self)
        if request is not None and not isinstance(request, (Respond, Speak)):
            message = f"a reply to a {type(request).__name__}: allowed: Respond, Speak or None"
            self.model_errs(self._fault("malformed_response", message))
            return DroppedReply(0, self)
        ask = self._ask
        if request is not None and ask is not None and ask.request.id == request.id and not ask.begun:
            ask.begun = True
            ask.reply.speech.first_text_at = now()
            return ask.reply
        if request is not None and request.id not in self._answered:
            return DroppedReply(request.id, self)
        return self._begin_own_reply()

    def _begin_own_reply(self) -> CallReply:
        turn = self._latest
        speech = self._speaker.begin(
            "reply",
            turn_id=turn.id if turn is not None else None,
            caller_voiced_end_s=turn.voiced_end_s if turn is not None and turn.ended else None,
        )
        reply = self._replies[speech.id] = CallReply(next(self._numbers), speech, self)
        speech.task = self._tasks.start(self._carry(reply, turn), name=f"reply {speech.id}")
        return reply

    async def _carry(self, reply: CallReply, turn: CallerTurn | None) -> None:
        """A reply of the model's own accord: to the caller's last turn, or more to what is being said."""
        speech = reply.speech
        answer: Answer | None = None
        try:
            if turn is not None and not self._is_being_answered(turn, speech):
                await self._stop_talking(but=speech)
                task = cast("asyncio.Task[None]", asyncio.current_task())
                answer = self._answer = Answer(
                    turn.id, "", None, task, through=turn.id, voiced_end_s=speech.caller_voiced_end_s
                )
                answer.speeches.append(speech)
            await self._speaker.take_floor(speech)
            reply.asked_at = asyncio.get_running_loop().time()
            reply.may_sound.set()
            await self._until_written(reply)
        except ComponentFailedError as failed:
            self._report.error(failed.error, "s2s")
        finally:
            if not reply.written.is_set():
                reply.give_up()
            self._speaker.end(speech)
            self._speaker.release_floor(speech)
            if answer is not None and self._answer is answer:
                self._answer = None
                self._reply_done(answer.through)

    def _is_being_answered(self, turn: CallerTurn, but: Speech) -> bool:
        if turn.id <= self._done_through or (self._answer is not None and self._answer.turn_id == turn.id):
            return True
        return any(each.turn_id == turn.id for each in self._speaker.unfinished if each is not but)

    def reply_fails(self, reply: CallReply, error: ComponentError) -> None:
        """What a model says cannot be played or read: this reply is over, after what was good of it."""
        error.provider = self._s2s_name
        self._excuse(reply)
        self._report.error(error, "s2s")
        heard_s = reply.speech.mouth.written_s
        reply.end()
        reply.give_up()
        self._send(GiveUp(reply_id=reply.id, heard_s=heard_s))

    def _excuse(self, reply: CallReply | None = None) -> None:
        if self._ask is not None and (reply is None or self._ask.reply is reply):
            self._ask.excused = True

    def turn_ends(self) -> None:
        """A model found that the caller has finished."""
        turn = self._turns.newest_over()
        if not self.detects_turns or not self.replies_on_request or turn is None:
            return
        if turn.id > max(self._asked_through, self._done_through):
            self._asked_through = turn.id
            self._asking = self._start_answering(self._answer_turn(turn), name=f"turn {turn.id}")

    def model_hears(self, transcript: object) -> None:
        """A model says what the caller said."""
        try:
            checked = checked_transcript(transcript, component="s2s")
        except ComponentError as error:
            self.model_errs(error)
            return
        self._turns.take_transcript(checked)

    def model_tells(self, command: ToolStarted | ToolFinished | TokensUsed | EndCall) -> None:
        """A model says what it does."""
        if isinstance(command, TokensUsed):
            self._usage.thought(command)
            return
        self._excuse()
        if isinstance(command, EndCall):
            self._tasks.start(self._end_after(command.reason), name="end of call")
            return
        self._tell_tool(command, self._tools, self._latest.id if self._latest is not None else None)
        while len(self._tools) > _TOOLS:
            del self._tools[next(iter(self._tools))]

    async def _end_after(self, reason: str) -> None:
        """The call is over once what was said before was heard, unless the caller talks over that."""
        last = self._speaker.unfinished
        for speech in last:
            await speech.finished.wait()
        if not any(speech.interrupted for speech in last):
            self._end_call(reason)

    def model_errs(self, error: ComponentError) -> None:
        """A model says what cannot be."""
        error.provider = self._s2s_name
        self._report.error(error, "s2s")

    def sound_dropped(self) -> None:
        """A model wrote to a reply that nobody wants any more."""
        self._sound_dropped += 1

    # -- its lives ------------------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        restarts = Restarts()
        while True:
            restarts.began()
            conversation = self._begin_life()
            try:
                await self._s2s.converse(self._turns.ear, conversation)
                if self._turns.ear.closed:
                    return
                raise ComponentError(
                    "the model's conversation ended, the call did not", component="s2s", code="stream_closed"
                )
            except asyncio.CancelledError as given_up:
                # A TaskGroup of Python 3.11 keeps what it was cancelled with, and that keeps every frame on its way.
                traceback.clear_frames(given_up.__traceback__)
                raise
            except Exception as error:
                if self._link.call.closed or asyncio.current_task() is not self._conversing:
                    return
                restarts.failed()
                fault = component_fault(error, "s2s", self._s2s_name)
                self._report.error(fault, "s2s")
                self._end_life()
                self._ask_again(fault.code)
                await restarts.pause()
                self._restarts += 1

    def _begin_life(self) -> CallConversation:
        conversation = self._conversation = CallConversation(self)
        if self._ask is not None and not self._ask.reply.written.is_set():
            self._ask.reply.asked_at = asyncio.get_running_loop().time()
            conversation.send(self._ask.request)
        return conversation

    def _end_life(self) -> None:
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            self._requests_dropped += conversation.requests_dropped
            conversation.close()

    def _ask_again(self, code: str) -> None:
        """A model has died: what it was asked and had not begun to say is asked of the next one, once."""
        self._turns.hear_again(code)
        ask = self._ask
        for reply in list(self._replies.values()):
            if ask is not None and reply is ask.reply and not ask.again and reply.speech.utterance is None:
                ask.again, ask.begun = True, False
                reply.speech.segments.clear()
                turn = self._latest
                unheard = turn is not None and turn.id == getattr(ask.request, "turn_id", None)
                if turn is not None and unheard and not turn.heard_again and self._turns.ear.was_handed(turn.id):
                    turn.heard_again = True
                    self._turns.ear.hear_again(turn.utterance)
                continue
            self._excuse(reply)
            if not reply.written.is_set():
                reply.error = code
            reply.end()

    def _start_anew(self) -> None:
        self._end_life()
        self._restarts += 1
        self._conversing = self._tasks.start(self._converse_anew(self._conversing), name="s2s")

    async def _converse_anew(self, stuck: asyncio.Task[None]) -> None:
        await let_go(stuck)
        await self._converse()
