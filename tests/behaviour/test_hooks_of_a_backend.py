"""FR-021 to FR-024: the hooks of a configuration, on a backend at work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.doorman import SECRET, Doorman

from beluga_voice import LocalCall, get_registry
from beluga_voice.config import BackendConfig, SessionConfig
from beluga_voice.errors import AuthError, ConfigError, RateLimitError
from beluga_voice.hooks import RateLimiter, acting_as
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn


async def silent(turn: Turn) -> str:
    return ""


def backend(**settings: Any) -> Any:
    config = BackendConfig(vad="energy", stt=FakeSpeechToText, tts=FakeTextToSpeech, **settings)
    return get_registry().create("local", config)


def config(**settings: Any) -> SessionConfig:
    return SessionConfig(agent=silent, **settings)


async def test_fr_021_every_operation_is_authorised_by_its_name() -> None:
    doorman = Doorman()
    local = backend(auth_hook=doorman)
    await local.start()
    session = await local.create_session(config(auth_token=SECRET, metadata={"shop": 7}))
    await local.ring(LocalCall())
    answered = await local.answer(config(auth_token=SECRET))
    await local.health_check()
    await local.update_config(timeout=20.0)
    with acting_as(token=SECRET):
        await local.close_session(session.id)
    await local.stop(timeout=0.0)
    assert doorman.asked == [
        ("", "start"),
        ("alice", "create_session"),
        ("", "ring"),
        ("alice", "answer"),
        ("alice", "create_session"),
        ("", "health_check"),
        ("", "update_config"),
        ("alice", "close_session"),
        ("", "stop"),
    ]
    assert session.user_id == "alice"
    assert answered.is_over


async def test_what_is_known_of_the_user_is_in_the_turns_metadata() -> None:
    local = backend(auth_hook=Doorman())
    session = await local.create_session(config(auth_token=SECRET, metadata={"shop": 7}))
    assert session.belongings().metadata == {"shop": 7, "plan": "gold"}
    await local.aclose()


async def test_who_may_not_gets_no_session_and_takes_no_place() -> None:
    doorman = Doorman()
    local = backend(auth_hook=doorman, max_concurrent_sessions=1)
    with pytest.raises(AuthError) as refused:
        await local.create_session(config(auth_token="x"))
    assert (refused.value.code, refused.value.provider, refused.value.operation) == (
        "authentication_failed",
        "local",
        "create_session",
    )
    doorman.may = {"answer"}
    with pytest.raises(AuthError) as refused:
        await local.answer(config(auth_token=SECRET))
    assert refused.value.code == "authorization_failed"
    assert refused.value.message == "user 'alice' may not create_session"
    assert local.get_active_session_count() == 0
    await local.aclose()


async def test_to_let_go_is_never_refused() -> None:
    doorman = Doorman()
    doorman.may = {"start", "create_session"}
    local = backend(auth_hook=doorman)
    async with local:
        session = await local.create_session(config(auth_token=SECRET))
        with pytest.raises(AuthError, match="may not stop"):
            await local.stop()
    assert session.is_over


async def test_what_an_agent_does_is_not_part_of_the_operation_that_began_its_call() -> None:
    told = asyncio.get_running_loop().create_future()

    class Meddler:
        async def respond(self, turn: Turn) -> str:
            try:
                await local.update_config(timeout=1.0)
            except AuthError as error:
                told.set_result(error.message)
            return ""

    doorman = Doorman()
    doorman.may = {"answer", "create_session", "ring"}
    local = backend(auth_hook=doorman)
    await local.ring(LocalCall())
    session = await local.answer(SessionConfig(agent=Meddler, auth_token=SECRET))
    session.generate_reply(user_input="change it")
    assert "may not update_config" in await told
    await local.aclose()


async def test_fr_024_each_user_has_a_limit_and_is_told_when_to_come_back() -> None:
    local = backend(rate_limiter={"requests_per_second": 0.5, "burst": 2})
    for _ in range(2):
        await local.create_session(config(user_id="alice"))
    with pytest.raises(RateLimitError) as limited:
        await local.create_session(config(user_id="alice"))
    error = limited.value
    assert (error.code, error.provider, error.operation) == ("rate_limit_exceeded", "local", "create_session")
    assert error.retry_after_s == pytest.approx(2.0)
    await local.create_session(config(user_id="bob"))
    await asyncio.sleep(2.0)
    await local.create_session(config(user_id="alice"))
    await local.aclose()


async def test_without_a_word_a_user_has_a_burst_of_ten_and_the_program_has_no_limit() -> None:
    local = backend()
    for _ in range(10):
        await local.create_session(config(user_id="alice"))
    with pytest.raises(RateLimitError):
        await local.create_session(config(user_id="alice"))
    assert local.get_active_session_count() == 10
    for _ in range(30):
        await local.create_session(config())
    await local.aclose()


async def test_a_limit_that_changes_while_it_runs_and_one_that_does_not() -> None:
    local = backend(rate_limiter={"requests_per_second": 0.01, "burst": 1})
    await local.create_session(config(user_id="alice"))
    await local.update_config(timeout=20.0)
    with pytest.raises(RateLimitError):
        await local.create_session(config(user_id="alice"))
    await local.update_config(rate_limiter=None)
    await local.create_session(config(user_id="alice"))
    await local.aclose()


async def test_what_the_hooks_refused_is_counted_whatever_changes_meanwhile() -> None:
    doorman = Doorman()
    doorman.may = {"start", "create_session", "update_config"}
    local = backend(auth_hook=doorman, rate_limiter={"requests_per_second": 0.01, "burst": 1})
    with pytest.raises(AuthError):
        await local.create_session(config(auth_token="x"))
    await local.create_session(config(auth_token=SECRET))
    with pytest.raises(RateLimitError):
        await local.create_session(config(auth_token=SECRET))
    await local.update_config(rate_limiter={"requests_per_second": 0.01, "burst": 2})
    with pytest.raises(AuthError):
        await local.create_session(config(auth_token="x"))
    assert local.stats()["hooks"] == {
        "refused_authentication_failed": 2,
        "refused_rate_limit_exceeded": 1,
        "hook_calls_abandoned": 0,
        "rate_limiter_unreachable": 0,
        "sessions_forgotten_early": 0,
    }
    await local.aclose()


async def test_fr_023_a_limiter_of_the_users_own_takes_the_frameworks_place() -> None:
    class Never(RateLimiter):
        async def allow(self, key: str) -> bool:
            return False

        async def wait(self, key: str) -> None:
            raise AssertionError

    local = backend(rate_limiter=Never)
    with pytest.raises(RateLimitError, match="user 'alice' asks too often"):
        await local.create_session(config(user_id="alice"))
    await local.aclose()


async def test_hooks_may_be_named_in_a_file() -> None:
    config = BackendConfig(auth_hook="support.doorman:Doorman")
    assert type(config.auth_hook).__name__ == "Doorman"
    with pytest.raises(ConfigError, match=r"auth_hook = .*allowed: an instance of AuthHook"):
        BackendConfig(auth_hook="os:getcwd")
