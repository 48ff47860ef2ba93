"""What a session and a backend measure: ages, depths, lateness, lag, each under its documented name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.call import on_call

from beluga_voice import LocalCall, VoiceSession, _core, transport
from beluga_voice._engine import engine
from beluga_voice.backend import get_registry
from beluga_voice.config import SessionConfig
from beluga_voice.errors import SessionError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn

AGES = ("frame_age_in_us", "frame_age_out_us", "loop_lag_us")
DEPTHS = ("input_waiting_samples", "packets_waiting", "mouth_waiting_samples", "events_waiting")


async def agent(turn: Turn) -> str:
    return "gold iron"


@pytest.mark.real_time
async def test_a_session_tells_how_old_its_frames_were_and_how_much_waited() -> None:
    async with on_call(agent) as tried:
        await tried.say("able bake")
        await tried.agent_heard("gold", "iron")
        stats = tried.session.stats()
    for age in AGES:
        count, total, most = (stats[f"{age}_{part}"] for part in ("count", "sum", "max"))
        assert count > 0
        assert 0 < most <= total <= count * most
    for depth in DEPTHS:
        assert 0 <= stats[depth] <= stats[f"{depth}_max"]
    # The caller's words are written ahead, the agent's faster than they are spoken.
    assert stats["input_waiting_samples_max"] > 1_600
    assert stats["mouth_waiting_samples_max"] > 1_600
    assert stats["frame_age_in_us_max"] > 100_000
    assert stats["packets_waiting_max"] == 0
    assert stats["ticks"] >= stats["frame_age_out_us_count"] + stats["frames_skipped"] - 1


@pytest.mark.real_time
async def test_a_loop_that_was_held_up_is_told_of() -> None:
    async with on_call(agent) as tried:
        await tried.say("able bake")
        before = tried.session.stats()["loop_lag_us_max"]
        time.sleep(0.3)  # noqa: ASYNC251 (what is measured)
        await tried.agent_heard("gold", "iron")
        assert tried.session.stats()["loop_lag_us_max"] > max(before, 150_000)


async def test_a_backend_adds_up_what_can_be_added_up() -> None:
    backend = get_registry().create("local", {"vad": "energy"})
    sessions = [
        await backend.create_session(SessionConfig(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech))
        for _ in range(2)
    ]
    calls = [LocalCall() for _ in sessions]
    for session, call in zip(sessions, calls, strict=True):
        await session.start(call)
    for call in calls:
        assert await call.read(0.3) is not None
    before = [session.stats() for session in sessions]
    stats = backend.stats()
    after = [session.stats() for session in sessions]
    totals = stats["totals"]
    for name in ("ticks", "frame_age_out_us_count", "frame_age_out_us_sum"):
        assert sum(each[name] for each in before) <= totals[name] <= sum(each[name] for each in after)
    assert totals["frame_age_out_us_max"] <= max(each["frame_age_out_us_max"] for each in after)
    assert "loop_lag_us_sum" not in totals
    assert any(loop["loop_lag_us_count"] > 0 for loop in stats["loops"])

    (shard,) = stats["shards"]
    assert len(shard["late_us_counts"]) == len(shard["late_us_bounds"]) + 1
    assert sum(shard["late_us_counts"]) <= shard["ticks"] + 1
    assert shard["overload_step"] in range(5)
    assert len(shard["overload_steps_entered"]) == 4
    assert shard["frames_skipped"] >= shard["ticks_skipped"] >= 0
    cgroup = stats["cgroup"]
    assert cgroup is None or cgroup["throttled_periods"] <= cgroup["periods"]
    await backend.aclose()


async def test_calls_that_find_no_place_are_counted() -> None:
    refused = engine().stats()["calls_refused"]
    one = _core.Engine.stepped(now_us=0, max_sessions=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "engine", lambda: one)
        held = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
        await held.start(LocalCall())
        late = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
        with pytest.raises(SessionError) as refusal:
            await late.start(LocalCall())
    assert refusal.value.code == "session_limit_exceeded"
    assert one.stats()["calls_refused"] == 1
    assert engine().stats()["calls_refused"] == refused
    one.stop()
    await held.aclose()
