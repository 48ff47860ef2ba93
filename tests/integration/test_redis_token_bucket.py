"""FR-024 over several processes: buckets in a real redis-server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from support.redis_server import redis_server

from beluga_voice import get_registry
from beluga_voice.config import BackendConfig, SessionConfig
from beluga_voice.errors import RateLimitError
from beluga_voice.hooks import Admission, RedisTokenBucket
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech


async def silent(turn: object) -> str:
    return ""


ASK = """
import asyncio, sys
from beluga_voice.hooks import RedisTokenBucket

async def main():
    bucket = RedisTokenBucket(sys.argv[1], requests_per_second=0.001, burst=20, prefix='two:', timeout=30)
    print("ready", flush=True)
    sys.stdin.readline()
    print(sum([await bucket.allow("alice") for _ in range(30)]), bucket.unreachable)
    await bucket.aclose()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Any]:
    client: Any = Redis.from_url(url)
    await client.flushall()
    yield client
    await client.aclose()


def test_two_processes_share_one_limit(url: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", ASK, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [[int(each) for each in process.communicate()[0].split()] for process in processes]
    assert sum(allowed for allowed, _ in counts) == 20
    assert all(unreachable == 0 for _, unreachable in counts)


async def test_a_burst_a_refusal_that_says_when_and_a_token_that_came_back(url: str, redis: Any) -> None:
    bucket = RedisTokenBucket(url, requests_per_second=20.0, burst=2)
    assert [await bucket.allow("a") for _ in range(2)] == [True, True]
    assert await bucket.allow("b"), "each key has a bucket of its own"
    retry_after_s = await bucket.retry_after("a")
    assert retry_after_s is not None
    assert retry_after_s <= 0.05
    await bucket.wait("a")
    await bucket.aclose()


async def test_what_is_kept_is_a_digest_and_goes_when_the_bucket_is_full(url: str, redis: Any) -> None:
    bucket = RedisTokenBucket(url, requests_per_second=0.5, burst=10, prefix="shop:")
    await bucket.allow("alice@example.com")
    (key,) = await redis.keys("*")
    assert key.startswith(b"shop:")
    assert b"alice" not in key
    assert 0 < await redis.pttl(key) <= 2_002
    await bucket.aclose()


@pytest.mark.parametrize("answered", [True, False], ids=["once he has it", "before Redis answered"])
async def test_who_gives_up_waiting_gives_his_token_back(url: str, redis: Any, answered: bool) -> None:
    bucket = RedisTokenBucket(url, requests_per_second=0.01, burst=1)
    await bucket.allow("a")
    with pytest.raises(RateLimitError, match="at most 60 s are waited"):
        await bucket.wait("a")
    patient = RedisTokenBucket(url, requests_per_second=0.01, burst=1, max_wait=300.0)
    before = await patient.retry_after("a")
    waiting = asyncio.create_task(patient.wait("a"))
    if answered:
        for _ in range(10_000):
            taken = await patient.retry_after("a")
            if taken is not None and taken > 110.0:
                break
    else:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    after = await patient.retry_after("a")
    assert before is not None
    assert after is not None
    assert after <= before
    await bucket.aclose()
    await patient.aclose()


async def test_without_redis_the_process_limits_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    bucket = RedisTokenBucket("redis://:hunter2@127.0.0.1:1/0", requests_per_second=1.0, burst=2)
    assert [await bucket.allow("a") for _ in range(3)] == [True, True, False]
    assert bucket.unreachable == 3
    assert len([record for record in caplog.records if "this process limits by itself" in record.message]) == 1
    assert "hunter2" not in caplog.text + repr(bucket)
    await bucket.aclose()


async def test_a_backend_is_told_when_to_ask_again(url: str, redis: Any) -> None:
    bucket = RedisTokenBucket(url, requests_per_second=0.1, burst=1)
    admission = Admission("local", limiters=[bucket])
    await admission.admit("create_session", user_id="alice")
    with pytest.raises(RateLimitError) as limited:
        await admission.admit("create_session", user_id="alice")
    assert limited.value.retry_after_s is not None
    assert 0.0 < limited.value.retry_after_s <= 10.0
    await bucket.aclose()


async def test_a_limiter_that_another_takes_the_place_of_lets_go_of_its_connections(url: str, redis: Any) -> None:
    async def connections() -> int:
        return len(await redis.client_list())

    limited = {"requests_per_second": 100.0, "burst": 10, "redis_url": url}
    local = get_registry().create(
        "local", BackendConfig(vad="energy", stt=FakeSpeechToText, tts=FakeTextToSpeech, rate_limiter=limited)
    )
    await local.create_session(SessionConfig(agent=silent, user_id="alice"))
    before = await connections()
    await local.update_config(rate_limiter={**limited, "burst": 20})
    await local.create_session(SessionConfig(agent=silent, user_id="alice"))
    assert await connections() == before, "the new one's for the old one's"
    await local.update_config(rate_limiter=None)
    await local.aclose()
    assert await connections() == before - 1
