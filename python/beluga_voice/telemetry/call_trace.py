"""One session's trace, made of its events: session > turn > stt, invoke_agent > execute_tool, tts or s2s, playout.

A span's times are those of what it stands for: a turn begins with the caller's first voiced sample, which is known a
little later. The agent's span is the current one in the agent's code, so that what it traces itself lies within.
Agent and tools follow OpenTelemetry's conventions for generative AI. What was said is in no span.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import context as otel_context, trace
from opentelemetry.trace import Link, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from beluga_voice.clock import now
from beluga_voice.metrics import LLMMetrics, RealtimeModelMetrics, STTMetrics, TTSMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from beluga_voice.events import (
        AgentFalseInterruption,
        CloseEvent,
        ConversationItemAdded,
        ErrorEvent,
        FunctionToolsExecuted,
        FunctionToolStarted,
        Interruption,
        MetricsCollected,
        PlayoutFinished,
        PlayoutStarted,
        SessionEvent,
        SessionStateChanged,
        SpeechCreated,
        UserTurnEnded,
        UserTurnStarted,
    )
    from beluga_voice.session import VoiceSession

__all__ = ["CallTrace"]

# Turns whose spans are open. Policy: the oldest is ended where it stands.
_TURNS_OPEN = 16
_TICK_S = 0.01


@dataclass(slots=True)
class _Turn:
    span: Span
    agent: Span | None = None
    tools: dict[str, Span] = field(default_factory=dict[str, "Span"])
    transcribed: bool = False
    answered: bool = False
    """The agent's code has ended."""
    unplayed: set[str] = field(default_factory=set[str])
    """Its speeches of which more may be heard."""
    sounding: set[str] = field(default_factory=set[str])
    """Those of them that have sound."""
    until: float = 0.0
    """When the last thing happened that belongs to it."""


class CallTrace:
    """See the module. `handlers`: by the event's name, what to call.

    The session's span is a child of the span in `metadata["traceparent"]` (W3C Trace Context), else of the one that is
    current where the session is started; with both it is linked to the latter.
    """

    def __init__(
        self, session: VoiceSession, provider: str, tracer: Tracer, *, latency_target_s: float | None = None
    ) -> None:
        self._session = session
        self._provider = provider
        self._tracer = tracer
        self._target_s = latency_target_s
        self._by_model = "s2s" in session.component_names
        self._span: Span | None = None
        # Spans lie on the world's clock, and the session's times on its own.
        self._epoch_s = time.time() - now()
        self._media_s = float("inf")
        """The clock's time when the call's sound began: what came soonest after its sound tells it best."""
        self._turns: dict[int, _Turn] = {}
        self._answering: _Turn | None = None
        self._speeches: dict[str, int | None] = {}
        """The turn that each speech answers, until it was played."""
        self._playouts: dict[str, Span] = {}
        self.handlers: dict[str, Callable[[Any], None]] = {
            "session_state_changed": self._state,
            "user_turn_started": self._turn_started,
            "user_turn_ended": self._turn_ended,
            "conversation_item_added": self._item,
            "speech_created": self._speech_created,
            "function_tool_started": self._tool_started,
            "function_tools_executed": self._tool_finished,
            "metrics_collected": self._measured,
            "playout_started": self._playout_started,
            "playout_finished": self._playout_finished,
            "interruption": self._interrupted,
            "agent_false_interruption": self._interrupted_falsely,
            "error": self._failed,
            "close": self._closed,
        }

    # -- times ----------------------------------------------------------------------------------------------------

    def _ns(self, at: float) -> int:
        """A time of the clock's, as the world counts."""
        return round((self._epoch_s + at) * 1e9)

    def _see(self, event: SessionEvent) -> None:
        if event.at_s > 0:
            self._media_s = min(self._media_s, event.created_at - event.at_s)

    def _at(self, media_s: float) -> float:
        """The clock's time of a place in the call's sound."""
        return self._media_s + media_s

    # -- spans ----------------------------------------------------------------------------------------------------

    def _start(
        self, name: str, at: float, parent: Span | None = None, attributes: Mapping[str, Any] | None = None
    ) -> Span:
        over = parent if parent is not None else self._span
        context = trace.set_span_in_context(over) if over is not None else None
        return self._tracer.start_span(name, context, attributes=attributes, start_time=self._ns(at))

    def _end(self, span: Span, at: float, error: str | None = None) -> None:
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(self._ns(at))

    # -- session --------------------------------------------------------------------------------------------------

    def _state(self, event: SessionStateChanged) -> None:
        if self._span is None and event.new_state == "active":
            self._span = self._open(self._session.started_at or event.created_at)
            # Everything that is done for the call from here on is done under this span.
            otel_context.attach(trace.set_span_in_context(self._span))
        elif self._span is not None and event.new_state in ("reconnecting", "active"):
            self._span.add_event(event.new_state, timestamp=self._ns(event.created_at))

    def _open(self, at: float) -> Span:
        names = self._session.component_names
        current = trace.get_current_span().get_span_context()
        parent: Context | None = TraceContextTextMapPropagator().extract(_texts(self._session.metadata))
        told = trace.get_current_span(parent).get_span_context()
        span = self._tracer.start_span(
            "session",
            parent if told.is_valid and told != current else None,
            links=[Link(current)] if told.is_valid and current.is_valid and told != current else None,
            attributes={
                "session.id": self._session.id,
                "backend.provider": self._provider,
                "backend.pipeline_type": "s2s" if self._by_model else "stt_tts",
                **{f"{kind}.provider": name for kind, name in names.items() if kind != "agent"},
                **({"gen_ai.agent.name": names["agent"]} if "agent" in names else {}),
            },
            start_time=self._ns(at),
        )
        ids = span.get_span_context()
        self._session.mark.trace_id = trace.format_trace_id(ids.trace_id)
        self._session.mark.span_id = trace.format_span_id(ids.span_id)
        return span

    def _failed(self, event: ErrorEvent) -> None:
        if self._span is not None:
            attributes = {"error.type": event.error.code, "source": event.source, "recoverable": event.recoverable}
            self._span.add_event("error", attributes, self._ns(event.created_at))

    def _closed(self, event: CloseEvent) -> None:
        at = event.created_at
        if self._span is None:  # it never began
            self._span = self._open(self._session.started_at or at)
        for span in self._playouts.values():
            self._end(span, at)
        self._playouts.clear()
        for turn_id in list(self._turns):
            self._end_turn(turn_id, at)
        span, usage = self._span, event.usage
        span.set_attribute("session.close_reason", event.reason)
        if usage is not None:
            span.set_attribute("usage.call_seconds", usage.call_seconds)
            span.set_attribute("usage.stt_seconds", usage.stt_seconds)
            span.set_attribute("usage.tts_characters", usage.tts_characters)
            for kind in ("input", "output"):
                tokens = sum(getattr(used, f"{kind}_tokens") for used in usage.tokens)
                if tokens:
                    span.set_attribute(f"gen_ai.usage.{kind}_tokens", tokens)
            if usage.cost is not None:
                span.set_attribute("usage.cost", usage.cost)
                span.set_attribute("usage.currency", usage.currency)
            span.set_attribute("audio_size", 2 * round(usage.call_seconds * 16_000))
        self._end(span, at, event.error.code if event.error is not None else None)

    # -- turns ----------------------------------------------------------------------------------------------------

    def _turn_started(self, event: UserTurnStarted) -> None:
        self._see(event)
        for turn_id, turn in list(self._turns.items()):
            # Nobody was asked, or what was left to be said had no sound.
            unasked = turn.agent is None and not turn.unplayed and (turn.transcribed or self._by_model)
            if unasked or (turn.answered and not turn.sounding):
                self._end_turn(turn_id, turn.until)
        self._begin_turn(event.turn_id, self._at(event.onset_s))

    def _begin_turn(self, turn_id: int, at: float) -> _Turn:
        if len(self._turns) >= _TURNS_OPEN:
            oldest = next(iter(self._turns))
            self._end_turn(oldest, max(at, self._turns[oldest].until))
        turn = self._turns[turn_id] = _Turn(self._start("turn", at, attributes={"turn.id": turn_id}), until=at)
        return turn

    def _turn_of(self, turn_id: int | None) -> _Turn | None:
        return self._turns.get(turn_id) if turn_id is not None else None

    def _turn_ended(self, event: UserTurnEnded) -> None:
        self._see(event)
        turn = self._turns.get(event.turn_id)
        if turn is None:
            return
        turn.until = self._at(event.at_s)
        if event.discarded:
            turn.span.set_attribute("turn.discarded", True)
            self._end_turn(event.turn_id, turn.until)
        elif event.voiced_end_s is not None:
            turn.span.add_event("caller_ceased", timestamp=self._ns(self._at(event.voiced_end_s)))
            turn.span.add_event("turn_ended", timestamp=self._ns(turn.until))

    def _end_turn(self, turn_id: int, at: float) -> None:
        turn = self._turns.pop(turn_id)
        if self._answering is turn:
            self._answering = None
        for tool in turn.tools.values():
            self._end(tool, at)
        if turn.agent is not None and not turn.answered:
            self._end(turn.agent, at)
        self._end(turn.span, at)

    def _item(self, event: ConversationItemAdded) -> None:
        self._see(event)
        if event.turn_id is None:
            return
        if event.turn_id < 0 and event.item.role == "user":
            self._begin_turn(event.turn_id, event.created_at).span.set_attribute("turn.typed", True)
        turn = self._turns.get(event.turn_id)
        if turn is None:
            return
        turn.until = max(turn.until, event.created_at)
        for name, value in event.metrics.items():
            turn.span.set_attribute(name, value)
        latency_s = event.metrics.get("e2e_latency")
        if latency_s is not None:
            turn.span.set_attribute("latency_ms", 1000 * latency_s)
            if self._target_s is not None:
                turn.span.set_attribute("latency_target_ms", 1000 * self._target_s)
                turn.span.set_attribute("latency_target_met", latency_s <= self._target_s)
        if event.item.interrupted:
            turn.span.set_attribute("turn.interrupted", True)

    def _end_turn_if_over(self, turn_id: int | None, at: float) -> None:
        if turn_id is None or (turn := self._turns.get(turn_id)) is None:
            return
        turn.until = max(turn.until, at)
        if turn.answered and not turn.unplayed:
            self._end_turn(turn_id, turn.until)

    # -- agent ----------------------------------------------------------------------------------------------------

    def _speech_created(self, event: SpeechCreated) -> None:
        self._speeches[event.speech_id] = event.turn_id
        turn = self._turn_of(event.turn_id)
        if turn is not None:
            turn.unplayed.add(event.speech_id)
        if turn is None or turn.agent is not None or event.source != "reply":
            return
        name = self._session.component_names.get("agent")
        if name is None:  # the model answers by itself
            return
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.conversation.id": self._session.id,
            "gen_ai.output.type": "text",
        }
        turn.agent = self._start(f"invoke_agent {name}", event.created_at, turn.span, attributes)
        self._answering = turn
        # The task that calls this asks the agent next, and does nothing else after.
        otel_context.attach(trace.set_span_in_context(turn.agent))

    def _tool_started(self, event: FunctionToolStarted) -> None:
        turn = self._answering
        if turn is None or turn.agent is None:
            return
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": event.name,
            "gen_ai.tool.type": "function",
            **({"gen_ai.tool.call.id": event.call_id} if event.call_id else {}),
        }
        span = self._start(f"execute_tool {event.name}", event.created_at, turn.agent, attributes)
        turn.tools[event.call_id or event.name] = span

    def _tool_finished(self, event: FunctionToolsExecuted) -> None:
        turn = self._turn_of(event.turn_id)
        span = turn.tools.pop(event.call_id or event.name, None) if turn is not None else None
        if span is not None:
            self._end(span, event.created_at, "tool_error" if event.error is not None else None)

    # -- components -----------------------------------------------------------------------------------------------

    def _measured(self, event: MetricsCollected) -> None:
        self._see(event)
        match event.metrics:
            case STTMetrics() as stt:
                self._recognised(event, stt)
            case LLMMetrics() as llm:
                self._answered(event, llm)
            case TTSMetrics() as tts:
                attributes = {"tts.provider": tts.label, "tts.characters": tts.characters_count}
                self._spoken(event, tts, "tts", tts.ttfb, attributes)
            case RealtimeModelMetrics() as reply:
                self._spoken(event, reply, "s2s", reply.ttft, {"s2s.provider": reply.label})
                self._replied(event, reply)

    def _recognised(self, event: MetricsCollected, stt: STTMetrics) -> None:
        turn = self._turns.get(stt.turn_id)
        if turn is None:
            return
        began = event.created_at - stt.duration - stt.audio_duration
        attributes = {"stt.provider": stt.label, "stt.audio_duration": stt.audio_duration, "stt.delay": stt.duration}
        self._end(self._start("stt", began, turn.span, attributes), event.created_at, stt.error)
        turn.transcribed, turn.until = True, event.created_at

    def _answered(self, event: MetricsCollected, llm: LLMMetrics) -> None:
        turn = self._turns.get(llm.turn_id)
        if turn is None or turn.agent is None:
            return
        if llm.ttft is not None:
            turn.agent.set_attribute("gen_ai.response.time_to_first_chunk", llm.ttft)
        if llm.prompt_tokens or llm.completion_tokens:
            turn.agent.set_attribute("gen_ai.usage.input_tokens", llm.prompt_tokens)
            turn.agent.set_attribute("gen_ai.usage.output_tokens", llm.completion_tokens)
        for name, value in (("gen_ai.request.model", llm.model), ("gen_ai.provider.name", llm.provider)):
            if value:
                turn.agent.set_attribute(name, value)
        if llm.cancelled:
            turn.agent.set_attribute("cancelled", True)
        self._end(turn.agent, event.created_at, llm.error)
        turn.answered = True
        self._end_turn_if_over(llm.turn_id, event.created_at)

    def _spoken(
        self,
        event: MetricsCollected,
        spoken: TTSMetrics | RealtimeModelMetrics,
        name: Literal["tts", "s2s"],
        first_sound_s: float | None,
        attributes: dict[str, Any],
    ) -> None:
        turn = self._turn_of(spoken.turn_id)
        began = event.created_at - spoken.duration
        attributes[f"{name}.audio_duration"] = spoken.audio_duration
        if spoken.cancelled:
            attributes["cancelled"] = True
        span = self._start(name, began, turn.span if turn is not None else None, attributes)
        if first_sound_s is not None:
            span.add_event("first_sound", timestamp=self._ns(began + first_sound_s))
        self._end(span, event.created_at, spoken.error)
        if turn is not None:
            turn.until = max(turn.until, event.created_at)
            if spoken.audio_duration and spoken.speech_id in self._speeches:
                turn.sounding.add(spoken.speech_id)

    def _replied(self, event: MetricsCollected, reply: RealtimeModelMetrics) -> None:
        turn = self._turn_of(reply.turn_id)
        if turn is not None and reply.ttft is not None:
            turn.span.set_attribute("s2s_provider_latency_ms", 1000 * reply.ttft)
        if turn is not None and turn.agent is None:
            turn.answered = True
            self._end_turn_if_over(reply.turn_id, event.created_at)

    def _playout_started(self, event: PlayoutStarted) -> None:
        self._see(event)
        turn_id = self._speeches.get(event.speech_id)
        turn = self._turn_of(turn_id)
        if turn is not None:
            turn.sounding.add(event.speech_id)
        parent = turn.span if turn is not None else None
        at = self._at(event.at_s - _TICK_S)
        self._playouts[event.speech_id] = self._start("playout", at, parent, {"speech.id": event.speech_id})

    def _playout_finished(self, event: PlayoutFinished) -> None:
        self._see(event)
        turn_id = self._speeches.pop(event.speech_id, None)
        span = self._playouts.pop(event.speech_id, None)
        if span is not None:
            span.set_attribute("played_s", event.played_s)
            span.set_attribute("interrupted", event.interrupted)
            self._end(span, self._at(event.at_s))
        turn = self._turn_of(turn_id)
        if turn is not None:
            turn.unplayed.discard(event.speech_id)
            turn.sounding.discard(event.speech_id)
            # What was heard of it, and how late, is told next.
            asyncio.get_running_loop().call_soon(self._end_turn_if_over, turn_id, self._at(event.at_s))

    # -- interruptions --------------------------------------------------------------------------------------------

    def _interrupted(self, event: Interruption) -> None:
        self._see(event)
        at = self._at(event.at_s)
        attributes = {"action": event.action, "onset_to_decision_s": event.at_s - event.onset_s}
        self._tell("interruption", at, event.speech_id, attributes)

    def _interrupted_falsely(self, event: AgentFalseInterruption) -> None:
        self._tell("false_interruption", event.created_at, None, {"resumed": event.resumed})

    def _tell(
        self,
        name: Literal["interruption", "false_interruption"],
        at: float,
        speech_id: str | None,
        attributes: Mapping[str, Any],
    ) -> None:
        """On what is heard; where nothing is, on the agent that thinks."""
        spans = [self._playouts[speech_id]] if speech_id in self._playouts else list(self._playouts.values())
        if not spans and self._answering is not None and self._answering.agent is not None:
            spans = [self._answering.agent]
        for span in spans or ([self._span] if self._span is not None else []):
            span.add_event(name, attributes, self._ns(at))


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if isinstance(value, str)}
