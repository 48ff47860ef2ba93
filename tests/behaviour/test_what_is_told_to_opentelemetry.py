"""FR-012, FR-013, SC-009: metrics and traces of calls and of backends' operations, as OpenTelemetry gets them."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from support.call import on_call, turn_handling
from support.told import Told

from beluga_voice import LocalCall, TokensUsed, ToolFinished, ToolStarted, VoiceSession, get_registry
from beluga_voice.config import BackendConfig, SessionConfig
from beluga_voice.errors import SessionError
from beluga_voice.events import ConversationItemAdded, ErrorEvent, MetricsCollected, PlayoutFinished
from beluga_voice.metrics import LLMMetrics
from beluga_voice.telemetry.instruments import INSTRUMENTS
from beluga_voice.testing import FakeSpeechToSpeech, FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.sdk.trace import ReadableSpan

    from beluga_voice import Turn
    from beluga_voice.commands import Command

LONG = "gold hand iron jump kite lamp milk nest open pink quiz rose."
IDS = {"session_id", "session.id", "id", "user_id", "participant", "trace_id"}


async def agent(turn: Turn) -> AsyncIterator[str | Command]:
    yield ToolStarted("clock", {"zone": "UTC"}, call_id="c1")
    await asyncio.sleep(0.05)
    yield ToolFinished("clock", result=12, call_id="c1")
    yield TokensUsed(input_tokens=100, output_tokens=20, model="tiny", provider="acme")
    yield "Gold hand."


async def long_agent(turn: Turn) -> AsyncIterator[str]:
    if turn.text != "able":
        yield "Zero."
        return
    yield LONG
    await asyncio.Event().wait()


def within(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    """Whether it is its child, and happened while it did."""
    assert inner.parent is not None
    assert outer.context is not None
    times = (outer.start_time, inner.start_time, inner.end_time, outer.end_time)
    assert list(times) == sorted(time or 0 for time in times), (inner.name, outer.name, times)
    return inner.parent.span_id == outer.context.span_id


async def test_fr012_a_call_is_counted_from_end_to_end() -> None:
    told = Told()
    async with on_call(agent, telemetry=told.telemetry) as tried:
        assert told.value("session.active") == 1
        assert told.value("transport.connections.active") == 1
        assert told.value("engine.sessions") == 1
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)
        assert told.value("call.frames", direction="out") > 50
        assert told.value("vad.frames.processed") > 20
    points = told.points()
    assert told.value("session.active") == told.value("backend.sessions.active") == 0
    assert told.value("stt.streams.active") == told.value("transport.connections.active") == 0
    once = [
        "session.started.total", "session.stopped.total", "backend.sessions.total", "session.duration",
        "session.operation.latency", "stt.transcriptions.total", "stt.transcriptions.successful",
        "stt.transcription.latency", "stt.stream.latency", "stt.streams.total", "tts.generations.total",
        "tts.generations.successful", "tts.generation.latency", "turndetection.detections.total",
        "turndetection.turns.detected", "turndetection.detection.latency", "voice.session.agent.latency",
        "voice.session.agent.streaming.duration", "voice.session.agent.tool.execution.time", "voice.session.latency",
        "voice.session.playback.latency", "vad.speech.detected", "vad.silence.detected", "transport.connections.total",
        "transport.disconnections.total",
    ]  # fmt: skip
    assert {name: told.value(name) for name in once} == dict.fromkeys(once, 1)
    assert told.value("session.stopped.total", reason="user_initiated") == 1
    (tool,) = points["voice.session.agent.tool.execution.time"]
    assert tool.sum == pytest.approx(0.05, abs=0.011)
    (detection,) = points["turndetection.detection.latency"]
    assert detection.sum == pytest.approx(0.3, abs=0.03)
    assert told.value("gen_ai.client.token.usage") == 2
    usage = tried.session.usage()
    assert told.value("usage.tokens") == 120
    assert told.value("usage.call") == pytest.approx(usage.call_seconds)
    assert told.value("usage.stt", component="FakeSpeechToText") == pytest.approx(usage.stt_seconds)
    assert told.value("usage.tts") == usage.tts_characters
    # What a call that is over had counted stays counted.
    assert told.value("transport.audio.received") == pytest.approx(usage.call_seconds)
    assert told.value("backend.throughput.bytes", direction="in") == 2 * tried.session.link.call.ear_written
    assert told.value("call.queue.depth") == 0


async def test_every_metric_of_the_table_is_made_and_no_other_and_ids_are_no_labels() -> None:
    told = Told()
    async with on_call(agent, telemetry=told.telemetry, prices={"call_minute": 1.0}) as tried:
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)
        with pytest.raises(SessionError), told.telemetry.operation("local", "create_session"):
            raise SessionError("full", code="session_limit_exceeded")
        points = told.points()
    known = {each.name: each for each in INSTRUMENTS}
    assert set(points) <= set(known)
    read = {each.name for each in INSTRUMENTS if each.kind.startswith("observed")}
    # A machine without a quota has no figures of one.
    assert read - set(points) <= {name for name in read if name.startswith("engine.cgroup")}
    for name, found in {**points, **told.points()}.items():
        for point in found:
            assert set(point.attributes) <= set(known[name].attributes), name
            assert not set(point.attributes) & IDS
            assert math.isfinite(point.sum if hasattr(point, "sum") else point.value)
    cost = tried.session.usage().cost
    assert told.value("usage.cost", currency="USD") == pytest.approx(cost)


async def test_how_long_an_operation_took_is_told_by_the_clock_of_its_loop() -> None:
    told = Told()
    with told.telemetry.operation("local", "create_session"):
        await asyncio.sleep(3.0)
    for name in ("backend.latency.seconds", "backend.session.creation.time.seconds"):
        (point,) = told.points()[name]
        assert point.sum == pytest.approx(3.0), name


async def test_sc009_every_operation_of_a_backend_is_counted_timed_and_traced() -> None:
    told = Told()
    backend = get_registry().create("local", BackendConfig(vad="energy", max_concurrent_sessions=1))
    backend.telemetry = told.telemetry
    config = SessionConfig(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech)
    await backend.start()
    session = await backend.create_session(config)
    with pytest.raises(SessionError):
        await backend.create_session(config)
    await backend.health_check()
    await backend.update_config({"timeout": 5.0})
    await backend.close_session(session.id)
    await backend.stop()
    operations = ["start", "create_session", "health_check", "update_config", "close_session", "stop"]
    counts = {each: told.value("backend.requests.total", provider="local", operation=each) for each in operations}
    assert counts == {**dict.fromkeys(operations, 1), "create_session": 2}
    assert all(told.value("backend.latency.seconds", operation=each) == counts[each] for each in operations)
    assert told.value("backend.concurrent.operations") == 0
    assert told.value("backend.errors.total", error_code="session_limit_exceeded") == 1
    assert told.value("backend.errors.total") == 1
    assert told.value("backend.session.creation.time.seconds") == 2
    assert {span.name for span in told.spans("backend.local.")} == {f"backend.local.{each}" for each in operations}
    failed = [span for span in told.spans("backend.local.create_session") if not span.status.is_ok]
    assert [dict(span.attributes or {})["error.type"] for span in failed] == ["session_limit_exceeded"]


async def test_fr013_a_turn_is_one_trace_through_the_pipeline() -> None:
    told = Told()
    async with on_call(agent, telemetry=told.telemetry, stt=FakeSpeechToText(delay=0.2)) as tried:
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)
        onset_s = tried.caller_onsets_s[0]
    session, turn = told.span("session"), told.span("turn")
    stt, asked, tool = told.span("stt"), told.span("invoke_agent"), told.span("execute_tool clock")
    tts, playout = told.span("tts"), told.span("playout")
    assert within(turn, session)
    assert all(within(each, turn) for each in (stt, asked, tts, playout))
    assert within(tool, asked)
    assert session.parent is None
    attributes: dict[str, Any] = dict(asked.attributes or {})
    assert attributes["gen_ai.operation.name"] == "invoke_agent"
    assert attributes["gen_ai.agent.name"] == "agent"
    assert attributes["gen_ai.conversation.id"] == tried.session.id
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (100, 20)
    assert (attributes["gen_ai.request.model"], attributes["gen_ai.provider.name"]) == ("tiny", "acme")
    tool_attributes = dict(tool.attributes or {})
    assert tool_attributes["gen_ai.tool.name"] == "clock"
    assert tool_attributes["gen_ai.tool.call.id"] == "c1"
    assert dict(session.attributes or {})["session.id"] == tried.session.id

    def lasts(span: ReadableSpan) -> float:
        return ((span.end_time or 0) - (span.start_time or 0)) / 1e9

    (item,) = [event for event in tried.all(ConversationItemAdded) if event.item.role == "assistant"]
    (finished,) = tried.all(PlayoutFinished)
    assert lasts(playout) == pytest.approx(finished.played_s, abs=0.011)
    assert lasts(tool) == pytest.approx(0.05, abs=0.011)
    # From the caller's first sample to the agent's, as it was heard.
    assert ((playout.start_time or 0) - (turn.start_time or 0)) / 1e9 == pytest.approx(
        (item.started_speaking_at_s or 0) - onset_s, abs=0.05
    )
    assert dict(turn.attributes or {})["e2e_latency"] == pytest.approx(item.metrics["e2e_latency"])
    said = str([span.to_json() for span in told.spans()])
    assert "able" not in said
    assert "Gold" not in said
    assert "UTC" not in said


async def test_an_interruption_is_an_event_of_what_was_cut_short() -> None:
    told = Told()
    async with on_call(long_agent, telemetry=told.telemetry) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand", "iron")
        await tried.say("calm dark echo fish")
        await tried.agent_heard("zero")
        await tried.heard(ConversationItemAdded, nth=4)
    first, second = told.spans("turn")
    playouts = told.spans("playout")
    cut = playouts[0]
    assert within(cut, first)
    assert within(playouts[1], second)
    (interruption,) = [event for event in cut.events if event.name == "interruption"]
    attributes = dict(interruption.attributes or {})
    assert attributes["action"] == "pause"
    assert 0.2 <= float(str(attributes["onset_to_decision_s"])) <= 0.3
    assert (cut.start_time or 0) < interruption.timestamp <= (cut.end_time or 0)
    assert dict(cut.attributes or {})["interrupted"] is True
    assert dict(first.attributes or {})["turn.interrupted"] is True
    asked = told.spans("invoke_agent")
    assert [dict(span.attributes or {}).get("cancelled") for span in asked] == [True, None]
    assert told.value("voice.session.interruptions.total", action="pause") == 1
    assert told.value("voice.session.agent.cancelled.total") == 1


async def test_what_the_agent_traces_itself_lies_in_its_own_span() -> None:
    told = Told()
    tracer = told.tracers.get_tracer("the agent's")

    async def traced(turn: Turn) -> str:
        with tracer.start_as_current_span("chat tiny"):
            return "Gold."

    def on_a_thread(turn: Turn) -> str:
        with tracer.start_as_current_span("on a thread"):
            return "Hand."

    for each, name in ((traced, "chat tiny"), (on_a_thread, "on a thread")):
        told.exporter.clear()
        async with on_call(each, telemetry=told.telemetry) as tried:
            await tried.say("able")
            await tried.heard(ConversationItemAdded, nth=2)
        asked, own = told.span("invoke_agent"), told.span(name)
        assert own.parent is not None
        assert asked.context is not None
        assert own.parent.span_id == asked.context.span_id


async def test_a_session_belongs_to_the_callers_trace() -> None:
    told = Told()
    tracer = told.tracers.get_tracer("the caller's")
    with tracer.start_as_current_span("request"):
        async with on_call(agent, telemetry=told.telemetry):
            pass
    request, session = told.span("request"), told.span("session")
    assert session.parent is not None
    assert request.context is not None
    assert session.parent.span_id == request.context.span_id

    told.exporter.clear()
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with tracer.start_as_current_span("request"):
        async with on_call(agent, telemetry=told.telemetry, metadata={"traceparent": header}):
            pass
    request, session = told.span("request"), told.span("session")
    assert session.parent is not None
    assert request.context is not None
    assert session.context is not None
    assert f"{session.parent.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{session.parent.span_id:016x}" == "b7ad6b7169203331"
    assert [link.context.span_id for link in session.links] == [request.context.span_id]


async def test_a_nonsense_traceparent_makes_a_trace_of_its_own() -> None:
    told = Told()
    async with on_call(agent, telemetry=told.telemetry, metadata={"traceparent": "00-nonsense"}):
        pass
    assert told.span("session").parent is None


async def test_two_calls_are_two_traces_whoever_was_first_on_the_loop() -> None:
    """The loop calls back in the context of the first call on it: what a later one does must not become its child."""
    told = Told()
    tracer = told.tracers.get_tracer("the agents'")

    async def traced(turn: Turn) -> str:
        with tracer.start_as_current_span(f"chat {turn.session_id}"):
            return "Gold."

    async with on_call(traced, telemetry=told.telemetry) as one, on_call(traced, telemetry=told.telemetry) as other:
        for tried in (other, one):
            await tried.say("able")
            await tried.heard(ConversationItemAdded, nth=2)
    sessions = {dict(span.attributes or {})["session.id"]: span for span in told.spans("session")}
    assert set(sessions) == {one.session.id, other.session.id}
    for session_id, session in sessions.items():
        chat = told.span(f"chat {session_id}")
        assert session.context is not None
        assert chat.context is not None
        assert chat.context.trace_id == session.context.trace_id


async def test_a_written_turn_a_greeting_and_a_failing_agent_leave_no_span_open() -> None:
    told = Told()

    async def failing(turn: Turn) -> str:
        raise ValueError("no")

    async with on_call(failing, telemetry=told.telemetry) as tried:
        await tried.session.say("Gold hand.")
        tried.session.generate_reply(user_input="able")
        await tried.heard(MetricsCollected, lambda event: isinstance(event.metrics, LLMMetrics))
        await tried.say("bake")
        await tried.heard(MetricsCollected, lambda event: isinstance(event.metrics, LLMMetrics), nth=2)
    session = told.span("session")
    typed, spoken = sorted(told.spans("turn"), key=lambda span: int(str(dict(span.attributes or {})["turn.id"])))
    assert within(typed, session)
    assert within(spoken, session)
    for asked in told.spans("invoke_agent"):
        assert dict(asked.attributes or {})["error.type"] == "agent_error"
        assert not asked.status.is_ok
    greeting = told.span("playout")
    assert within(greeting, session)
    assert [event.name for event in session.events] == ["error", "error"]
    assert told.value("session.errors.total", source="agent", error_code="agent_error") == 2


async def test_a_session_that_cannot_start_is_told_of_as_well() -> None:
    told = Told()

    class Broken(FakeSpeechToText):
        async def start(self) -> None:
            raise OSError("no model")

    session = VoiceSession(agent=agent, stt=Broken(), tts=FakeTextToSpeech(), vad="energy")
    told.telemetry.watch(session, "local")
    with pytest.raises(OSError, match="no model"):
        await session.start(LocalCall())
    assert told.span("session").end_time is not None
    assert told.value("session.stopped.total", reason="error") == 1
    assert told.value("backend.sessions.active") == 0
    assert told.value("session.started.total") == 0


async def test_a_target_for_latency_is_judged_turn_by_turn() -> None:
    told = Told()
    session = VoiceSession(
        agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy", turn_handling=turn_handling()
    )
    told.telemetry.watch(session, "local", latency_target=0.2)
    async with on_call(agent, session=session) as tried:
        await tried.say("able")
        await tried.heard(ConversationItemAdded, nth=2)
    attributes = dict(told.span("turn").attributes or {})
    assert attributes["latency_target_ms"] == 200
    assert attributes["latency_target_met"] is False


def test_nothing_is_current_after_a_test() -> None:
    assert not trace.get_current_span().get_span_context().is_valid


async def test_a_model_of_speech_that_answers_by_itself_is_told_like_a_voice() -> None:
    told = Told()
    model = FakeSpeechToSpeech(["gold hand", ["iron", OSError("gone")]])
    async with on_call(None, s2s=model, telemetry=told.telemetry) as tried:
        await tried.say("able bake")
        await tried.heard(PlayoutFinished)
        await tried.say("calm")
        await tried.heard(PlayoutFinished, nth=2)
    assert not tried.all(ErrorEvent, lambda event: event.source != "s2s")
    counted = {each: told.value(f"s2s.processes.{each}") for each in ("total", "successful", "failed")}
    assert counted == {"total": 2, "successful": 1, "failed": 1}
    assert told.value("s2s.process.latency", provider="FakeSpeechToSpeech") == 2
    assert told.value("s2s.errors.total", error_code="internal_error") == 1
    assert told.value("usage.stt", component="FakeSpeechToSpeech") == pytest.approx(tried.session.usage().stt_seconds)
    assert not [name for name in told.points() if name.startswith(("stt.", "tts.", "voice.session.agent."))]
    session, turns = told.span("session"), told.spans("turn")
    attributes = dict(session.attributes or {})
    assert (attributes["backend.pipeline_type"], attributes["s2s.provider"]) == ("s2s", "FakeSpeechToSpeech")
    assert len(turns) == 2
    for turn, reply, playout in zip(turns, told.spans("s2s"), told.spans("playout"), strict=True):
        assert within(turn, session)
        assert within(reply, turn)
        assert within(playout, turn)
        assert dict(turn.attributes or {})["s2s_provider_latency_ms"] >= 0
    assert not told.spans("invoke_agent")


async def test_an_agent_before_a_model_of_speech_has_its_span_and_tools_too() -> None:
    told = Told()
    async with on_call(agent, s2s=FakeSpeechToSpeech(["gold"]), telemetry=told.telemetry) as tried:
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)
    turn, asked, reply = told.span("turn"), told.span("invoke_agent"), told.span("s2s")
    assert within(asked, turn)
    assert within(told.span("execute_tool clock"), asked)
    assert within(reply, turn)
    assert within(told.span("playout"), turn)
    assert (asked.end_time or 0) <= (reply.start_time or 0)
    assert told.value("voice.session.agent.latency", agent="agent") == 1
