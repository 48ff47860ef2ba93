"""One session's share of the metrics, counted from its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beluga_voice._engine import engine
from beluga_voice.clock import now
from beluga_voice.metrics import LLMMetrics, RealtimeModelMetrics, STTMetrics, TTSMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.events import (
        CloseEvent,
        ConversationItemAdded,
        ErrorEvent,
        FunctionToolsExecuted,
        FunctionToolStarted,
        Interruption,
        MetricsCollected,
        SessionStateChanged,
        UserInputTranscribed,
        UserStateChanged,
        UserTurnEnded,
        UserTurnStarted,
    )
    from beluga_voice.session import VoiceSession
    from beluga_voice.telemetry.instruments import Instruments
    from beluga_voice.telemetry.observed import Observed

__all__ = ["CallMetrics"]

# Turns and tools of which the beginning is remembered. Policy: the oldest is forgotten, and not measured.
_REMEMBERED = 64


class CallMetrics:
    """See the module. `handlers`: by the event's name, what to call."""

    def __init__(self, session: VoiceSession, provider: str, instruments: Instruments, observed: Observed) -> None:
        self._session = session
        self._provider = provider
        self._by_provider = {"provider": provider}
        self._stt = session.component_names.get("stt")
        """None where a model of speech listens."""
        self._to = instruments
        self._observed = observed
        self._connected = False
        self._began_at: float | None = None
        self._onsets: dict[int, float] = {}
        """Of turns without words as yet, by their numbers."""
        self._tools: dict[str, float] = {}
        instruments.count("backend.sessions.total", **self._by_provider)
        instruments.shift("backend.sessions.active", 1, **self._by_provider)
        self.handlers: dict[str, Callable[[Any], None]] = {
            "session_state_changed": self._state,
            "user_state_changed": self._user,
            "user_turn_started": self._turn_started,
            "user_turn_ended": self._turn_ended,
            "user_input_transcribed": self._words,
            "metrics_collected": self._measured,
            "conversation_item_added": self._item,
            "function_tool_started": self._tool_started,
            "function_tools_executed": self._tool_finished,
            "interruption": self._interrupted,
            "agent_false_interruption": self._interrupted_falsely,
            "error": self._failed,
            "close": self._closed,
        }

    def _state(self, event: SessionStateChanged) -> None:
        if event.new_state == "active" and self._began_at is None:
            self._began_at = now()
            self._observed.add(self._session, engine())
            self._to.shift("session.active", 1, **self._by_provider)
            self._to.count("session.started.total", **self._by_provider)
            self._shift_listening(1)
            if self._stt is not None:
                self._to.count("stt.streams.total", provider=self._stt)
            if self._session.started_at is not None:
                took_s = self._began_at - self._session.started_at
                self._to.record("session.operation.latency", took_s, {**self._by_provider, "operation": "start"})
        self._set_connected(event.new_state == "active")

    def _shift_listening(self, by: int) -> None:
        if self._stt is not None:
            self._to.shift("stt.streams.active", by, provider=self._stt)
        else:
            self._to.shift("s2s.concurrent.sessions", by, provider=self._session.component_names["s2s"])

    def _set_connected(self, connected: bool) -> None:  # noqa: FBT001 - it is what the method is about
        if connected == self._connected:
            return
        self._connected = connected
        self._to.shift("transport.connections.active", 1 if connected else -1, **self._by_provider)
        self._to.count(
            "transport.connections.total" if connected else "transport.disconnections.total", **self._by_provider
        )

    def _user(self, event: UserStateChanged) -> None:
        if event.new_state == "speaking":
            self._to.count("vad.speech.detected")
        elif event.old_state == "speaking":
            self._to.count("vad.silence.detected")

    def _turn_started(self, event: UserTurnStarted) -> None:
        _remember(self._onsets, event.turn_id, event.onset_s)

    def _turn_ended(self, event: UserTurnEnded) -> None:
        self._to.count("turndetection.detections.total")
        if event.discarded or event.voiced_end_s is None:
            self._onsets.pop(event.turn_id, None)
            self._to.count("turndetection.turns.not_detected")
            return
        self._to.count("turndetection.turns.detected")
        self._to.record("turndetection.detection.latency", event.at_s - event.voiced_end_s, {})

    def _words(self, event: UserInputTranscribed) -> None:
        if event.turn_id is not None and event.transcript and event.turn_id in self._onsets:
            after_s = event.at_s - self._onsets.pop(event.turn_id)
            if self._stt is not None:
                self._to.record("stt.stream.latency", max(0.0, after_s), {"provider": self._stt})

    def _measured(self, event: MetricsCollected) -> None:
        match event.metrics:
            case STTMetrics() as stt:
                self._to.count("stt.transcriptions.total", provider=stt.label)
                if stt.error is not None:
                    self._to.count("stt.transcriptions.failed", provider=stt.label)
                else:
                    self._to.count("stt.transcriptions.successful", provider=stt.label)
                    self._to.record("stt.transcription.latency", stt.duration, {"provider": stt.label})
            case LLMMetrics() as llm:
                self._answered(llm)
            case TTSMetrics() as tts:
                self._spoken("tts.generation", "tts.generations", tts, tts.ttfb)
            case RealtimeModelMetrics() as reply:
                self._spoken("s2s.process", "s2s.processes", reply, reply.ttft)

    def _spoken(
        self, one: str, all_of_them: str, spoken: TTSMetrics | RealtimeModelMetrics, first_sound_s: float | None
    ) -> None:
        self._to.count(f"{all_of_them}.total", provider=spoken.label)
        if spoken.error is not None:
            self._to.count(f"{all_of_them}.failed", provider=spoken.label)
        elif not spoken.cancelled:
            self._to.count(f"{all_of_them}.successful", provider=spoken.label)
        if first_sound_s is not None:
            self._to.record(f"{one}.latency", first_sound_s, {"provider": spoken.label})

    def _answered(self, llm: LLMMetrics) -> None:
        agent = {"agent": llm.label}
        if llm.ttft is not None:
            self._to.record("voice.session.agent.latency", llm.ttft, agent)
        if llm.cancelled:
            self._to.count("voice.session.agent.cancelled.total", **agent)
        else:
            self._to.record("voice.session.agent.streaming.duration", llm.duration, agent)
        for kind, tokens in (("input", llm.prompt_tokens), ("output", llm.completion_tokens)):
            if tokens:
                attributes = {
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.provider.name": llm.provider,
                    "gen_ai.request.model": llm.model,
                    "gen_ai.token.type": kind,
                }
                self._to.record("gen_ai.client.token.usage", tokens, attributes)

    def _item(self, event: ConversationItemAdded) -> None:
        for measured, name in (
            ("e2e_latency", "voice.session.latency"),
            ("playback_latency", "voice.session.playback.latency"),
        ):
            if measured in event.metrics:
                self._to.record(name, event.metrics[measured], self._by_provider)

    def _tool_started(self, event: FunctionToolStarted) -> None:
        _remember(self._tools, event.call_id or event.name, event.created_at)

    def _tool_finished(self, event: FunctionToolsExecuted) -> None:
        began_at = self._tools.pop(event.call_id or event.name, None)
        if began_at is not None:
            took_s = event.created_at - began_at
            self._to.record("voice.session.agent.tool.execution.time", took_s, {"tool": event.name})

    def _interrupted(self, event: Interruption) -> None:
        self._to.count("voice.session.interruptions.total", action=event.action)

    def _interrupted_falsely(self, _: object) -> None:
        self._to.count("voice.session.false.interruptions.total")

    def _failed(self, event: ErrorEvent) -> None:
        code = event.error.code
        self._to.count("session.errors.total", source=event.source, error_code=code)
        if event.source in ("stt", "tts", "s2s"):
            provider = self._session.component_names[event.source]
            self._to.count(f"{event.source}.errors.total", provider=provider, error_code=code)

    def _closed(self, event: CloseEvent) -> None:
        by_reason = {**self._by_provider, "reason": event.reason}
        self._to.shift("backend.sessions.active", -1, **self._by_provider)
        self._to.count("session.stopped.total", **by_reason)
        if self._began_at is None:
            return
        self._set_connected(False)
        self._observed.discard(self._session)
        self._to.shift("session.active", -1, **self._by_provider)
        self._shift_listening(-1)
        self._to.record("session.duration", now() - self._began_at, by_reason)
        call = self._session.link.call
        for direction, samples in (("in", call.ear_written), ("out", call.output_written)):
            attributes = {**self._by_provider, "direction": direction}
            self._to.record("backend.throughput.per.session.bytes", 2 * samples, attributes)
        self._used(event)

    def _used(self, event: CloseEvent) -> None:
        usage = event.usage
        if usage is None:
            return
        self._to.count("usage.call", usage.call_seconds, **self._by_provider)
        self._to.count("usage.stt", usage.stt_seconds, component=usage.stt)
        self._to.count("usage.tts", usage.tts_characters, component=usage.tts)
        for used in usage.tokens:
            self._to.count("usage.tokens", used.input_tokens, model=used.model, type="input")
            self._to.count("usage.tokens", used.output_tokens, model=used.model, type="output")
        if usage.cost is not None:
            self._to.count("usage.cost", usage.cost, currency=usage.currency)


def _remember(places: dict[Any, float], key: object, value: float) -> None:
    if len(places) >= _REMEMBERED:
        del places[next(iter(places))]
    places[key] = value
