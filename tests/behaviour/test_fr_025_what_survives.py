"""FR-025 and FR-026: what of an active session must survive its process is in a store, and gone when the session is."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_backend import FakeBackend, fake_backend

from beluga_voice import LocalCall, MemorySessionStore, SessionConfig, SessionRecord, SessionStore
from beluga_voice.errors import ConfigError, SessionError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn, VoiceSession


async def agent(turn: Turn) -> str:
    return "gold"


async def on_call(backend: FakeBackend) -> tuple[VoiceSession, LocalCall]:
    session = await backend.create_session(
        SessionConfig(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech, user_id="ada", metadata={"shop": 7})
    )
    call = LocalCall()
    await session.start(call)
    return session, call


async def a_moment() -> None:
    """The store is written by a task of its own."""
    await asyncio.sleep(0.1)


class Slow(MemorySessionStore):
    """Counts what is written, takes its time over it, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.saved = 0
        self.delay_s = 0.0
        self.broken = False

    async def save(self, record: SessionRecord, **more: Any) -> None:
        await asyncio.sleep(self.delay_s)
        if self.broken:
            raise OSError("disk full, canary-77")
        self.saved += 1
        await super().save(record, **more)


async def test_fr_025_an_active_session_is_kept_as_it_goes_on() -> None:
    store = MemorySessionStore()
    backend = fake_backend(session_store=store)
    session, _ = await on_call(backend)
    await session.say("gold hand")
    await a_moment()
    (record,) = await store.list_active()
    assert (record.session_id, record.provider, record.user_id) == (session.id, "phone", "ada")
    assert ([message.text for message in record.history], record.metadata) == (["gold hand"], {"shop": 7})
    assert record.state == "active"
    assert SessionRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    await backend.aclose()


@pytest.mark.parametrize("end", ["hang_up", "close_session", "stop"])
async def test_fr_026_nothing_is_left_of_a_session_that_is_over(end: str) -> None:
    store = MemorySessionStore()
    backend = fake_backend(session_store=store)
    session, call = await on_call(backend)
    await a_moment()
    assert len(await store.list_active()) == 1
    if end == "hang_up":
        await call.hang_up()
        await session.wait_closed()
        await a_moment()
    elif end == "close_session":
        await backend.close_session(session.id)
        await a_moment()
    else:
        await backend.stop(timeout=0.0)
    assert await store.list_active() == []
    with pytest.raises(SessionError) as gone:
        await store.load(session.id)
    assert gone.value.code == "session_not_found"
    await backend.aclose()


async def test_fr_025_another_process_may_go_on_when_the_first_has_fallen_silent_and_not_before() -> None:
    store = MemorySessionStore()
    backend = fake_backend(session_store=store)
    session, _ = await on_call(backend)
    await session.say("gold")
    await asyncio.sleep(100.0)
    with pytest.raises(SessionError, match=f"belongs to '{backend.id}'") as held:
        await store.claim(session.id, "another", lease_s=30.0)
    assert held.value.code == "session_already_active"

    # Its process dies: nothing is heard of it any more.
    for task in backend._keeper._tasks._running:  # type: ignore[union-attr]
        task.cancel()
    await asyncio.sleep(31.0)
    fence = await store.claim(session.id, "another", lease_s=30.0)
    record = await store.load(session.id)
    assert [message.text for message in record.history] == ["gold"]
    await store.save(record, fence=fence, lease_s=30.0)
    # What the first one still writes, it writes in vain.
    with pytest.raises(SessionError) as late:
        await store.save(record, fence=fence - 1, lease_s=30.0)
    assert late.value.code == "session_expired"
    with pytest.raises(SessionError):
        await store.delete(session.id, fence=fence - 1)
    assert await store.load(session.id) == record
    await backend.aclose()


async def test_a_backend_whose_session_was_taken_over_leaves_its_record_alone() -> None:
    store = MemorySessionStore()
    backend = fake_backend(session_store=store)
    session, _ = await on_call(backend)
    await a_moment()
    store._claims[session.id].until = 0.0
    fence = await store.claim(session.id, "another", lease_s=1_000.0)
    await session.say("gold")
    await backend.aclose()
    assert (await store.load(session.id)).session_id == session.id
    await store.delete(session.id, fence=fence)
    assert await store.list_active() == []


async def test_a_slow_store_keeps_no_call_waiting_and_is_written_to_once_for_much() -> None:
    store = Slow()
    store.delay_s = 2.0
    backend = fake_backend(session_store=store)
    session, _ = await on_call(backend)
    began = asyncio.get_running_loop().time()
    for _ in range(5):
        await session.say("gold")
    assert asyncio.get_running_loop().time() - began < 3.0
    await asyncio.sleep(5.0)
    assert store.saved <= 4
    assert len((await store.load(session.id)).history) == 5
    await backend.aclose()


async def test_a_store_that_fails_costs_the_record_and_not_the_call(caplog: pytest.LogCaptureFixture) -> None:
    store = Slow()
    store.broken = True
    backend = fake_backend(session_store=store)
    session, _ = await on_call(backend)
    await session.say("gold")
    assert session.state == "active"
    assert f"what session {session.id} must not lose could not be kept: OSError" in caplog.text
    assert "canary" not in caplog.text
    store.broken = False
    await asyncio.sleep(11.0)
    assert len((await store.load(session.id)).history) == 1
    await backend.aclose()
    assert await store.list_active() == []


async def test_a_store_has_room_for_so_many_and_the_setting_is_checked() -> None:
    store = MemorySessionStore(max_sessions=1)
    assert isinstance(store, SessionStore)
    await store.claim("a", "me", lease_s=1.0)
    await store.claim("a", "me", lease_s=1.0)
    with pytest.raises(SessionError) as full:
        await store.claim("b", "me", lease_s=1.0)
    assert full.value.code == "session_limit_exceeded"
    backend = fake_backend(session_store=store)
    with pytest.raises(ConfigError, match="session_store: allowed: another backend"):
        await backend.update_config(session_store=MemorySessionStore())
    with pytest.raises(ConfigError, match="an object with the methods of SessionStore"):
        fake_backend(session_store="memory")
