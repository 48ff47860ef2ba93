"""Every backend alike: it starts and stops, counts places, tells how it is and takes new settings while it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_backend import FakeServer, fake_backend

from beluga_voice import LocalCall, SessionConfig, get_registry
from beluga_voice.connection_state import TRANSITIONS, Connection
from beluga_voice.errors import (
    AuthError,
    ConfigError,
    InternalError,
    InvalidStateError,
    ProviderNotFoundError,
    RateLimitError,
    SessionError,
    TransportError,
)
from beluga_voice.events import ConversationItemAdded
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech, tone_words

if TYPE_CHECKING:
    from beluga_voice import Turn, VoiceBackend, VoiceSession


async def agent(turn: Turn) -> str:
    return "gold"


def config(**more: Any) -> SessionConfig:
    return SessionConfig(**{"agent": agent, "stt": FakeSpeechToText, "tts": FakeTextToSpeech, **more})


async def on_call(backend: VoiceBackend) -> tuple[VoiceSession, LocalCall]:
    session, call = await backend.create_session(config()), LocalCall()
    await session.start(call)
    return session, call


def refused() -> TransportError:
    return TransportError("nobody is there", code="connection_failed")


# -- the connection ---------------------------------------------------------------------------------------------------


async def test_it_is_connected_once_it_was_started_and_disconnected_once_stopped() -> None:
    backend = fake_backend()
    assert backend.get_connection_state() == "disconnected"
    await backend.start()
    await backend.start()
    assert (backend.get_connection_state(), backend.server.states) == ("connected", ["connecting"])
    await backend.stop()
    await backend.stop()
    assert (backend.get_connection_state(), backend.server.closed) == ("disconnected", 1)
    with pytest.raises(InvalidStateError, match=r"was stopped: start\(\) begins anew") as late:
        await backend.create_session(config())
    assert (late.value.code, late.value.provider, late.value.operation) == ("invalid_state", "phone", "create_session")
    async with backend:
        await on_call(backend)
        await backend.aclose()


async def test_a_first_session_starts_it() -> None:
    backend = fake_backend()
    await on_call(backend)
    assert backend.get_connection_state() == "connected"
    await backend.aclose()


async def test_a_server_that_comes_late_is_tried_again_at_growing_distances() -> None:
    server = FakeServer(refused(), refused(), refused())
    backend = fake_backend(server, retry_delay=1.0)
    await backend.start()
    pauses = [later - earlier for earlier, later in zip(server.asked_at, server.asked_at[1:], strict=False)]
    for pause, longest in zip(pauses, (1.0, 2.0, 4.0), strict=True):
        assert longest / 2 <= pause <= longest
    assert server.states == ["connecting"] * 4
    await backend.aclose()


async def test_a_connection_that_breaks_is_restored() -> None:
    server = FakeServer()
    backend = fake_backend(server)
    await backend.start()
    server.troubles = [refused(), TransportError("slow", code="connection_timeout")]
    answering = asyncio.create_task(backend.answer(config()))
    await backend.calls.put(LocalCall())
    await answering
    assert server.states == ["connecting", "connected", "reconnecting", "reconnecting"]
    assert backend.get_connection_state() == "connected"
    await backend.aclose()


async def test_what_cannot_succeed_later_is_not_tried_again() -> None:
    server = FakeServer(AuthError("wrong key", code="authentication_failed"))
    backend = fake_backend(server)
    with pytest.raises(AuthError) as refusal:
        await backend.start()
    assert (refusal.value.provider, refusal.value.operation) == ("phone", "start")
    assert (len(server.asked_at), backend.get_connection_state()) == (1, "error")
    await backend.start()
    assert backend.get_connection_state() == "connected"
    await backend.aclose()


async def test_who_asks_too_often_waits_as_long_as_he_is_told_to() -> None:
    server = FakeServer(RateLimitError("slowly", retry_after_s=20.0))
    backend = fake_backend(server)
    await backend.start()
    assert server.asked_at[1] - server.asked_at[0] == pytest.approx(20.0)
    await backend.aclose()


async def test_a_server_that_never_answers_is_given_up() -> None:
    server = FakeServer()
    server.mute = True
    backend = fake_backend(server, connect_timeout=2.0, max_retries=1, retry_delay=0.5)
    began = asyncio.get_running_loop().time()
    with pytest.raises(TransportError, match="no answer within 2 s") as late:
        await backend.start()
    assert (late.value.code, late.value.retryable) == ("connection_timeout", True)
    assert 4.25 <= asyncio.get_running_loop().time() - began <= 4.5
    await backend.aclose()


def test_a_connection_takes_no_step_that_the_table_does_not_have() -> None:
    connection = Connection("phone")
    with pytest.raises(InternalError, match="disconnected cannot become error"):
        connection._become("error")
    assert set(TRANSITIONS) == {state for states in TRANSITIONS.values() for state in states}


# -- places -----------------------------------------------------------------------------------------------------------


async def test_nothing_remote_is_made_for_a_session_that_there_is_no_place_for() -> None:
    server = FakeServer()
    backend = fake_backend(server, max_concurrent_sessions=1)
    await on_call(backend)
    asked = len(server.asked_at)
    with pytest.raises(SessionError) as full:
        await backend.answer(config())
    assert (full.value.code, full.value.details) == ("session_limit_exceeded", {"open": 1, "allowed": 1})
    assert (server.made, len(server.asked_at)) == ([], asked)
    await backend.aclose()


async def test_a_place_counts_from_the_moment_it_is_asked_for() -> None:
    server = FakeServer()
    server.delay_s = 1.0
    backend = fake_backend(server, max_concurrent_sessions=1)
    first = asyncio.create_task(backend.create_session(config()))
    await asyncio.sleep(0.5)
    with pytest.raises(SessionError) as full:
        await backend.create_session(config())
    assert full.value.code == "session_limit_exceeded"
    assert [await first] == backend.list_sessions()
    await backend.aclose()


@pytest.mark.parametrize("wrong", [{"stt": "no-such-thing"}, {"agent": 3}])
async def test_a_session_that_could_not_be_made_gives_its_place_back(wrong: dict[str, Any]) -> None:
    backend = fake_backend(max_concurrent_sessions=1)
    with pytest.raises(Exception, match=r"allowed|known"):
        await backend.create_session(config(**wrong))
    assert backend.get_active_session_count() == 0
    await on_call(backend)
    await backend.aclose()


async def test_a_remote_failure_gives_the_place_back() -> None:
    server = FakeServer()
    backend = fake_backend(server, max_concurrent_sessions=1, max_retries=0)
    await backend.start()
    server.troubles = [refused()]
    with pytest.raises(TransportError):
        await backend.answer(config())
    assert backend.list_sessions() == []
    await backend.aclose()


async def test_callers_ring_the_local_backend_and_are_answered_in_turn_or_by_name() -> None:
    backend = get_registry().create("local", {"vad": "energy"})
    ada, bob, cid = LocalCall(), LocalCall(), LocalCall()
    await backend.ring(ada, user_id="ada")
    await backend.ring(bob, user_id="bob")
    by_name = await backend.answer(config(user_id="bob"))
    assert (by_name.user_id, by_name.backend_id) == ("bob", backend.id)
    await bob.hang_up()
    await by_name.wait_closed()
    first = await backend.answer(config())
    waiting = asyncio.create_task(backend.answer(config()))
    await backend.ring(cid)
    await waiting
    assert first.state == "active"
    await ada.hang_up()
    await first.wait_closed()
    await backend.aclose()


# -- stopping ---------------------------------------------------------------------------------------------------------


async def test_fr_020_conversations_finish_before_a_backend_stops_and_no_new_one_begins() -> None:
    backend = fake_backend()
    (talking, call), waiting = await on_call(backend), await backend.create_session(config())
    speech = talking.say("gold iron")
    stopping = asyncio.create_task(backend.stop(timeout=60.0))
    await speech
    assert not stopping.done()
    assert waiting.state == "ended"
    with pytest.raises(InvalidStateError, match="no new sessions: the backend is being stopped"):
        await backend.create_session(config())
    health = await backend.health_check()
    assert health.details["connection"].reason == "being stopped: no new sessions"
    assert [message.text for message in talking.history] == ["gold iron"]
    await call.hang_up()
    await stopping
    assert (backend.list_sessions(), backend.server.closed) == ([], 1)


async def test_fr_020_a_conversation_that_goes_on_for_too_long_is_ended() -> None:
    backend = fake_backend(drain_timeout=5.0)
    session, _ = await on_call(backend)
    began = asyncio.get_running_loop().time()
    await backend.stop()
    assert 5.0 <= asyncio.get_running_loop().time() - began < 7.0
    assert (session.state, backend.server.closed) == ("ended", 1)


async def test_whoever_cannot_wait_any_longer_ends_it_at_once() -> None:
    backend = fake_backend()
    session, _ = await on_call(backend)
    stopping = asyncio.create_task(backend.stop())
    await asyncio.sleep(1.0)
    await backend.aclose()
    await asyncio.wait_for(stopping, 1.0)
    assert (session.state, backend.server.closed) == ("ended", 1)


async def test_an_answer_that_still_waits_for_its_caller_does_not_hold_up_the_end() -> None:
    backend = fake_backend()
    await backend.start()
    waiting = asyncio.create_task(backend.answer(config()))
    await asyncio.sleep(1.0)
    await asyncio.wait_for(backend.stop(), 2.0)
    with pytest.raises(SessionError) as closed:
        await waiting
    assert closed.value.code == "session_not_active"


async def test_a_backend_that_is_stopped_while_it_starts_is_stopped() -> None:
    server = FakeServer()
    server.mute = True
    backend = fake_backend(server, connect_timeout=3.0, max_retries=0)
    starting = asyncio.create_task(backend.start())
    await asyncio.sleep(1.0)
    await backend.stop()
    with pytest.raises((InvalidStateError, TransportError)):
        await starting
    assert (backend.get_connection_state(), server.closed) == ("disconnected", 1)


async def test_a_backend_that_cannot_let_go_is_stopped_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    backend = fake_backend()
    await backend.start()
    backend.server.mute = True
    await asyncio.wait_for(backend.stop(), 20.0)
    assert backend.get_connection_state() == "disconnected"
    assert "phone: not let go of within 15 s" in caplog.text


# -- health -----------------------------------------------------------------------------------------------------------


async def test_a_backend_that_is_nearly_full_is_degraded() -> None:
    backend = fake_backend(max_concurrent_sessions=10)
    health = await backend.health_check()
    assert (health.status, health.details["connection"].reason) == ("unhealthy", "not started")
    for _ in range(8):
        await backend.create_session(config())
    assert (await backend.health_check()).status == "healthy"
    await backend.create_session(config())
    health = await backend.health_check()
    assert health.status == "degraded"
    assert health.details["capacity"].reason == "9 of 10 sessions are open (max_concurrent_sessions)"
    assert health.to_dict()["details"]["engine"] == {"status": "healthy", "reason": ""}
    later = await backend.health_check()
    assert later.last_check >= health.last_check
    await backend.aclose()


async def test_a_server_that_is_gone_makes_it_unhealthy_until_it_is_back() -> None:
    server = FakeServer()
    backend = fake_backend(server)
    await backend.start()
    server.troubles = [refused()]
    health = await backend.health_check()
    assert (health.status, health.details["server"].reason) == ("unhealthy", "nobody is there")
    assert health.details["connection"].status == "unhealthy"
    assert backend.get_connection_state() == "error"
    assert (await backend.health_check()).status == "healthy"
    assert server.states[-1] == "reconnecting"
    await backend.aclose()


async def test_a_voice_that_keeps_failing_makes_it_degraded_for_a_minute() -> None:
    class Hoarse(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Any) -> None:
            raise OSError("no voice")

    backend = fake_backend()
    session = await backend.create_session(config(tts=Hoarse))
    await session.start(LocalCall())
    for word in ("gold", "iron", "jade"):
        await session.say(word)
    health = await backend.health_check()
    assert (health.status, health.details["tts"].status) == ("degraded", "degraded")
    assert "failed 3 times in the last minute: internal_error" in health.details["tts"].reason
    assert health.details["stt"].status == "healthy"
    await asyncio.sleep(61.0)
    assert (await backend.health_check()).status == "healthy"
    await backend.aclose()


async def test_answers_that_come_too_late_too_often_make_it_degraded() -> None:
    async def slow(turn: Turn) -> str:
        await asyncio.sleep(0.4)
        return "gold"

    backend = fake_backend(latency_target=0.5)
    session, call = await backend.create_session(config(agent=slow)), LocalCall()
    await session.start(call)
    for _ in range(20):
        assert (await backend.health_check()).details["latency"].status == "healthy"
        await call.write(tone_words.spoken("able", call.sample_rate))
        async for event in session.events():
            if isinstance(event, ConversationItemAdded) and event.item.role == "assistant":
                break
    health = await backend.health_check()
    assert (health.status, health.details["latency"].reason) == (
        "degraded",
        "20 of the last 20 answers began after over 0.5 s",
    )
    await backend.aclose()


# -- settings ---------------------------------------------------------------------------------------------------------


async def test_settings_change_while_it_runs_and_count_for_the_next_session() -> None:
    backend = fake_backend(max_concurrent_sessions=1, turn_handling={"interruption": {"min_duration": 0.3}})
    await on_call(backend)
    changed = await backend.update_config({"turn_handling": {"endpointing": {"min_delay": 0.7}}}, timeout=5.0)
    assert changed is backend.get_config()
    assert (changed.turn_handling.endpointing.min_delay, changed.timeout) == (0.7, 5.0)
    assert changed.turn_handling.interruption.min_duration == 0.3
    await backend.update_config(max_concurrent_sessions=2)
    await on_call(backend)
    await backend.update_config(max_concurrent_sessions=1)
    assert backend.get_active_session_count() == 2
    with pytest.raises(SessionError, match="2 sessions are open: allowed: 1"):
        await backend.create_session(config())
    await backend.aclose()


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"timeout": 0}, ConfigError, "timeout = 0: allowed: a number from 1.0 to 300.0"),
        ({"timeut": 3}, ConfigError, "timeut = 3: no such option, did you mean 'timeout'?"),
        ({"tts": "pipr"}, ProviderNotFoundError, "did you mean 'piper'?"),
        (
            {"provider": "local", "telemetry": {"metrics": True}},
            ConfigError,
            "provider, telemetry: allowed: another backend",
        ),
        ({"provider_config": {"line": 2}}, ConfigError, "provider_config: allowed: another backend"),
        ({"telemetry": {"traces": True}}, ConfigError, "telemetry: allowed: another backend"),
        ({"turn_handling": {"endpointing": {"min_delay": 9}}}, ConfigError, "turn_handling.endpointing.min_delay = 9"),
    ],
)
async def test_a_wrong_change_changes_nothing(changes: dict[str, Any], error: type[Exception], told: str) -> None:
    backend = fake_backend()
    before = backend.get_config()
    with pytest.raises(error) as refusal:
        await backend.update_config({"max_concurrent_sessions": 7, **changes})
    assert told in str(refusal.value)
    assert backend.get_config() is before
