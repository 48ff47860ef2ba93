"""FR-021, FR-022: a backend asks its owner's hook who asks, and whether he may."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from support.doorman import SECRET, Doorman

from beluga_voice.errors import AuthError, RateLimitError
from beluga_voice.hooks import Admission, AuthResult, RateLimiter, TokenBucket, acting_as

if TYPE_CHECKING:
    from collections.abc import Mapping


async def refused(admission: Admission, operation: str, **who: Any) -> AuthError:
    with pytest.raises(AuthError) as error:
        await admission.admit(operation, **who)
    assert (error.value.provider, error.value.operation, error.value.retryable) == ("local", operation, False)
    shown = "".join(traceback.format_exception(error.value)) + repr(error.value) + repr(error.value.to_dict())
    assert SECRET not in shown
    return error.value


async def test_who_is_known_and_may_is_let_through_with_what_is_known_of_him() -> None:
    doorman = Doorman("create_session")
    admission = Admission("local", auth=doorman)
    admitted = await admission.admit("create_session", token=SECRET, metadata={"shop": 7})
    assert (admitted.user_id, admitted.metadata) == ("alice", {"plan": "gold"})
    assert doorman.asked == [("alice", "create_session")]
    assert doorman.metadata == [{"shop": 7}]


async def test_a_wrong_token_a_missing_one_and_another_users() -> None:
    admission = Admission("local", auth=Doorman("create_session"))
    assert (await refused(admission, "create_session", token="x")).code == "authentication_failed"
    assert (await refused(admission, "create_session")).code == "authentication_failed"
    other = await refused(admission, "create_session", user_id="bob", token=SECRET)
    assert (other.code, other.message) == ("authentication_failed", "the token is not that of user_id = 'bob'")


async def test_what_he_may_not_is_refused_by_its_name() -> None:
    admission = Admission("local", auth=Doorman("create_session"))
    error = await refused(admission, "close_session", token=SECRET)
    assert (error.code, error.message) == ("authorization_failed", "user 'alice' may not close_session")
    assert admission.stats()["refused_authorization_failed"] == 1


async def test_what_is_done_within_acting_as_is_done_on_his_behalf() -> None:
    doorman = Doorman("close_session")
    admission = Admission("local", auth=doorman)
    with acting_as(token=SECRET):
        await asyncio.create_task(admission.admit("close_session"))
    with pytest.raises(AuthError):
        await admission.admit("update_config")
    assert doorman.asked == [("alice", "close_session"), ("", "update_config")]


async def test_a_hook_that_hangs_or_raises_refuses_and_its_text_is_kept_to_itself() -> None:
    class Hangs(Doorman):
        async def authenticate(self, token: str, metadata: Mapping[str, Any]) -> AuthResult:
            await asyncio.Event().wait()
            raise AssertionError

    class Raises(Doorman):
        async def authorize(self, user_id: str, operation: str) -> bool:
            raise ValueError(f"cannot look {SECRET} up")

    class Rubbish(Doorman):
        async def authorize(self, user_id: str, operation: str) -> Any:
            return "yes"

    began = asyncio.get_running_loop().time()
    late = await refused(Admission("local", auth=Hangs(), timeout_s=2.0), "create_session", token=SECRET)
    assert late.message == "Hangs.authenticate gave no answer within 2 s (hook_timeout)"
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0, abs=0.1)

    raised = await refused(Admission("local", auth=Raises()), "create_session", token=SECRET)
    assert (raised.code, raised.message) == ("authorization_failed", "Raises.authorize raised ValueError")
    rubbish = await refused(Admission("local", auth=Rubbish()), "create_session", token=SECRET)
    assert rubbish.message == "Rubbish.authorize returned str: allowed: bool"


async def test_a_hook_that_does_not_heed_its_deadline_costs_a_second_more_and_is_counted() -> None:
    class Stubborn(Doorman):
        async def authenticate(self, token: str, metadata: Mapping[str, Any]) -> AuthResult:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue
            return AuthResult(user_id="alice")

    released = asyncio.Event()
    admission = Admission("local", auth=Stubborn(), timeout_s=1.0)
    await refused(admission, "create_session", token=SECRET)
    assert admission.stats()["hook_calls_abandoned"] == 1
    released.set()


async def test_fr_023_fr_024_the_providers_own_limit_is_asked_first_and_the_frameworks_after() -> None:
    class Providers(RateLimiter):
        def __init__(self) -> None:
            self.asked: list[str] = []

        async def allow(self, key: str) -> bool:
            self.asked.append(key)
            return len(self.asked) <= 3

        async def wait(self, key: str) -> None:
            raise AssertionError

    providers = Providers()
    admission = Admission("local", limiters=[providers, TokenBucket(requests_per_second=1.0, burst=2)])
    await admission.admit("create_session", user_id="alice")
    await admission.admit("create_session", user_id="alice")
    with pytest.raises(RateLimitError, match=r"user 'alice' asks too often: allowed again in 1 s") as limited:
        await admission.admit("create_session", user_id="alice")
    error = limited.value
    assert (error.code, error.retry_after_s, error.retryable) == ("rate_limit_exceeded", 1.0, True)
    with pytest.raises(RateLimitError) as limited:
        await admission.admit("create_session", user_id="bob")
    assert limited.value.retry_after_s is None, "the provider's own does not say when"
    assert providers.asked == ["alice", "alice", "alice", "bob"]
    await admission.admit("create_session")
    assert len(providers.asked) == 4, "what the program asks for itself is not limited"


async def test_a_limiter_that_fails_refuses() -> None:
    class Broken(RateLimiter):
        async def allow(self, key: str) -> bool:
            raise OSError("gone")

        async def wait(self, key: str) -> None:
            raise AssertionError

    with pytest.raises(RateLimitError, match=r"^Broken.allow raised OSError$"):
        await Admission("local", limiters=[Broken()]).admit("create_session", user_id="alice")
