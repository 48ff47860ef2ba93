"""What is tried again, how often, and how long after."""

from __future__ import annotations

import pytest

from beluga_voice.errors import AuthError, BelugaVoiceError, ConfigError, RateLimitError, TransportError
from beluga_voice.retries import Backoff, retried
from beluga_voice.testing import run


def trouble(code: str = "connection_failed") -> TransportError:
    return TransportError("no", code=code)


def attempts(*errors: BaseException, max_retries: int) -> tuple[int, BaseException | None]:
    """How many attempts there were, each of which fails with the next of `errors`, and what came of the last one."""
    left, made = list(errors), 0

    async def attempt() -> None:
        nonlocal made
        made += 1
        if left:
            raise left.pop(0)

    async def all_of_them() -> BaseException | None:
        try:
            await retried(attempt, max_retries=max_retries, backoff=Backoff(0.1, seed=1))
        except Exception as error:
            return error
        return None

    end = run(all_of_them())
    return made, end


@pytest.mark.parametrize(
    ("errors", "max_retries", "made", "end"),
    [
        ([], 3, 1, None),
        ([trouble(), trouble("connection_timeout"), RateLimitError("slowly")], 3, 4, None),
        ([trouble()] * 5, 3, 4, TransportError),
        ([trouble()], 0, 1, TransportError),
        ([trouble("protocol_error")], 3, 1, TransportError),
        ([AuthError("wrong key")], 3, 1, AuthError),
        ([ConfigError("x")], 3, 1, ConfigError),
        ([trouble(), ConfigError("x")], 3, 2, ConfigError),
        ([OSError("x")], 3, 1, OSError),
    ],
)
def test_only_what_may_succeed_later_is_tried_again(
    errors: list[BaseException], max_retries: int, made: int, end: type[BaseException] | None
) -> None:
    count, last = attempts(*errors, max_retries=max_retries)
    assert count == made
    assert type(last) is (end or type(None))
    if isinstance(last, BelugaVoiceError):
        assert last in errors


def test_pauses_double_up_to_half_a_minute_and_are_never_alike() -> None:
    backoff = Backoff(1.0, seed=7)
    for failures, longest in enumerate((1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0), start=1):
        drawn = {backoff.pause(failures) for _ in range(50)}
        assert len(drawn) == 50
        assert longest / 2 <= min(drawn) <= max(drawn) <= longest
    assert [Backoff(1.0, seed=7).pause(n) for n in (1, 2, 3)] == [Backoff(1.0, seed=7).pause(n) for n in (1, 2, 3)]


def test_no_pause_is_shorter_than_the_server_asks_for() -> None:
    assert Backoff(1.0).pause(1, RateLimitError("slowly", retry_after_s=45.0)) == 45.0
    assert Backoff(8.0).pause(3, RateLimitError("slowly", retry_after_s=0.5)) >= 15.0
