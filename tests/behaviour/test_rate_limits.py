"""FR-024: the framework's own keyed bucket of tokens, on a clock that does not wait."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings, strategies as st

from beluga_voice.errors import ConfigError, RateLimitError
from beluga_voice.hooks import TokenBucket
from beluga_voice.testing import run


def loop_time() -> float:
    return asyncio.get_running_loop().time()


async def test_a_burst_at_once_and_then_as_many_as_the_rate_gives() -> None:
    bucket = TokenBucket(requests_per_second=10.0, burst=3)
    assert [await bucket.allow("a") for _ in range(4)] == [True, True, True, False]
    assert await bucket.retry_after("a") == pytest.approx(0.1)
    await asyncio.sleep(0.1)
    assert [await bucket.allow("a") for _ in range(2)] == [True, False]
    await asyncio.sleep(10)
    assert [await bucket.allow("a") for _ in range(4)] == [True, True, True, False]


async def test_each_key_has_a_bucket_of_its_own() -> None:
    bucket = TokenBucket(requests_per_second=1.0, burst=1)
    assert (await bucket.allow("a"), await bucket.allow("b"), await bucket.allow("a")) == (True, True, False)


async def test_who_waits_is_let_through_in_his_turn() -> None:
    bucket = TokenBucket(requests_per_second=2.0, burst=1)
    began, through = loop_time(), list[tuple[int, float]]()

    async def ask(number: int) -> None:
        await bucket.wait("a")
        through.append((number, round(loop_time() - began, 3)))

    async with asyncio.TaskGroup() as asking:
        for number in range(4):
            asking.create_task(ask(number))
    assert through == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5)]


async def test_who_gives_up_waiting_gives_his_token_back() -> None:
    bucket = TokenBucket(requests_per_second=1.0, burst=1)
    await bucket.wait("a")
    waiting = asyncio.create_task(bucket.wait("a"))
    await asyncio.sleep(0.5)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert await bucket.retry_after("a") == pytest.approx(0.5)


async def test_nobody_waits_longer_than_max_wait() -> None:
    bucket = TokenBucket(requests_per_second=1.0, burst=1, max_wait=1.5)
    await bucket.allow("a")
    waiting = asyncio.create_task(bucket.wait("a"))
    await asyncio.sleep(0)
    with pytest.raises(RateLimitError) as refused:
        await bucket.wait("a")
    assert refused.value.retry_after_s == pytest.approx(2.0)
    await waiting


async def test_a_bucket_that_is_full_again_is_forgotten() -> None:
    bucket = TokenBucket(requests_per_second=1.0, burst=2)
    for number in range(500):
        await bucket.allow(f"user {number}")
    assert bucket.keys == 500
    await asyncio.sleep(1.5)
    await bucket.allow("one more")
    assert (bucket.keys, bucket.forgotten) == (1, 0)


async def test_no_more_buckets_than_max_keys_the_longest_idle_makes_room() -> None:
    bucket = TokenBucket(requests_per_second=0.01, burst=1, max_keys=100)
    for number in range(150):
        await bucket.allow(f"user {number}")
    assert (bucket.keys, bucket.forgotten) == (100, 50)
    assert not await bucket.allow("user 149")
    assert await bucket.allow("user 0")


async def test_what_a_user_sends_as_his_name_does_not_decide_how_much_is_kept() -> None:
    bucket = TokenBucket(requests_per_second=1.0, burst=1)
    assert await bucket.allow("x" * 10_000_000)
    assert not await bucket.allow("x" * 10_000_000)
    assert await bucket.allow("x" * 9_999_999)
    assert all(len(key) <= 128 for key in bucket._full_at)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"requests_per_second": 0.0}, "requests_per_second = 0.0"),
        ({"requests_per_second": float("nan")}, "requests_per_second = nan"),
        ({"burst": 0}, "burst = 0"),
        ({"max_keys": 0}, "max_keys = 0"),
        ({"max_wait": -1.0}, "max_wait = -1.0"),
    ],
)
def test_a_wrong_setting_is_named(options: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        TokenBucket(**options)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(
    rate=st.floats(0.5, 50.0),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=40),
)
def test_in_no_stretch_of_time_are_more_let_through_than_burst_and_rate_give(
    rate: float, burst: int, pauses: list[float]
) -> None:
    async def ask() -> list[float]:
        bucket = TokenBucket(requests_per_second=rate, burst=burst)
        through: list[float] = []
        for pause in pauses:
            await asyncio.sleep(pause)
            for _ in range(3):
                if await bucket.allow("a"):
                    through.append(loop_time())
                else:
                    missing_s = await bucket.retry_after("a")
                    assert missing_s is not None
                    assert 0.0 < missing_s <= 1.0 / rate + 1e-6
        return through

    through = run(ask())
    for first in range(len(through)):
        for last in range(first, len(through)):
            stretch_s = through[last] - through[first]
            assert last - first + 1 <= burst + stretch_s * rate + 1e-3
