"""The page of calls, its JSON and /metrics: what they tell, and to whom."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.call import on_call
from typer.testing import CliRunner

from beluga_voice import SessionConfig, get_registry
from beluga_voice.cli.app import app
from beluga_voice.cli.top import shown
from beluga_voice.config import BackendConfig
from beluga_voice.errors import ConfigError
from beluga_voice.events import ConversationItemAdded
from beluga_voice.telemetry import DashboardOptions, Telemetry
from beluga_voice.telemetry.instruments import INSTRUMENTS
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn

TOKEN = "a-token-of-many-letters"
PATHS = ("", "calls.json", "metrics", "nothing")


async def agent(turn: Turn) -> str:
    return "Gold hand."


async def got(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


@pytest.mark.real_time
async def test_a_call_is_shown_while_it_lasts_and_after() -> None:
    telemetry = Telemetry(metrics=True, dashboard={"port": 0})
    await telemetry.start()
    assert telemetry.dashboard is not None
    url = telemetry.dashboard.url
    try:
        async with on_call(agent, telemetry=telemetry, prices={"call_minute": 6.0}) as tried:
            await tried.say("able bake")
            await tried.heard(ConversationItemAdded, nth=2)
            async with aiohttp.ClientSession() as client, client.get(url + "calls.json") as answer:
                told: dict[str, Any] = await answer.json()
            (call,) = told["calls"]
            assert (call["id"], call["provider"], call["state"]) == (tried.session.id, "local", "active")
            assert (call["turns"], call["errors"], call["interruptions"]) == (1, 0, 0)
            assert call["latency_s"] >= 0.3
            assert call["cost"] == pytest.approx(0.1 * call["duration_s"], abs=0.02)
            stages = {each["stage"]: each for each in told["stages"]}
            assert stages["end of turn"]["p50_s"] == pytest.approx(0.3, abs=0.05)
            assert stages["caller to agent"]["n"] == 1
            _, text = await got(url + "metrics")
            families = {family.name: family for family in text_string_to_metric_families(text)}
            (active,) = [
                sample.value for sample in families["session_active"].samples if sample.labels == {"provider": "local"}
            ]
            assert active == 1
        status, page = await got(url)
        assert status == 200
        assert "beluga-voice" in page
        told = telemetry.board.shown() if telemetry.board is not None else {}
        assert told["calls"] == []
        assert told["over"][0]["reason"] == "user_initiated"
        text = CliRunner().invoke(app, ["top", "--url", "http://127.0.0.1:1", "--once"])
        assert text.exit_code != 0
        assert "telemetry.dashboard" in text.output
    finally:
        await telemetry.aclose()
    assert shown(told) is not None


@pytest.mark.real_time
async def test_prometheus_reads_the_documented_names() -> None:
    telemetry = Telemetry(metrics=True, dashboard={"port": 0})
    await telemetry.start()
    assert telemetry.dashboard is not None
    try:
        async with on_call(agent, telemetry=telemetry) as tried:
            with telemetry.operation("local", "create_session"):
                pass
            await tried.say("able bake")
            await tried.heard(ConversationItemAdded, nth=2)
            _, text = await got(telemetry.dashboard.url + "metrics")
    finally:
        await telemetry.aclose()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {sample.name for family in families.values() for sample in family.samples}
    # Those of requirements.md, section 10.
    assert {
        "backend_requests_total",
        "backend_latency_seconds_bucket",
        "backend_sessions_active",
        "backend_sessions_total",
        "backend_throughput_bytes_total",
        "backend_concurrent_operations",
    } <= samples
    labels = {label for family in families.values() for sample in family.samples for label in sample.labels}
    known = {each.replace(".", "_") for instrument in INSTRUMENTS for each in instrument.attributes}
    ours = known | {"le"}
    # Others are Prometheus' own of the process.
    assert labels - ours <= {"implementation", "major", "minor", "patchlevel", "version", "generation"} | {
        label for label in labels if label.startswith(("telemetry_", "service_"))
    }


@pytest.mark.real_time
async def test_without_the_token_there_is_nothing_to_see_and_it_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    telemetry = Telemetry(dashboard={"port": 0, "host": "127.0.0.1", "token": TOKEN})
    await telemetry.start()
    assert telemetry.dashboard is not None
    url = telemetry.dashboard.url
    try:
        for path in PATHS:
            refused = [
                {},
                {"authorization": "Bearer wrong-wrong-wrong-wrong"},
                {"authorization": f"Bearer {TOKEN}x"},
                {"authorization": basic("wrong")},
                {"authorization": "Basic ???"},
                {"authorization": TOKEN},
            ]
            for headers in refused:
                status, text = await got(url + path, **headers)
                assert (status, text) == (401, "a token is needed")
        for headers in ({"authorization": f"Bearer {TOKEN}"}, {"authorization": basic(TOKEN)}):
            assert (await got(url + "calls.json", **headers))[0] == 200
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            assert answer.headers["www-authenticate"].startswith("Basic ")
    finally:
        await telemetry.aclose()
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(telemetry.options)


@pytest.mark.real_time
async def test_a_page_of_somebody_elses_name_is_refused() -> None:
    """A name server that gives our loopback address to a foreign name makes browsers ask us for it."""
    telemetry = Telemetry(dashboard={"port": 0})
    await telemetry.start()
    assert telemetry.dashboard is not None
    try:
        assert (await got(telemetry.dashboard.url, host="evil.example:9464"))[0] == 403
        assert (await got(telemetry.dashboard.url, host="localhost:9464"))[0] == 200
    finally:
        await telemetry.aclose()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_others_reach_it_with_a_token_alone(host: str) -> None:
    with pytest.raises(ConfigError, match="allowed: a loopback address, or a token"):
        DashboardOptions(host=host)
    assert DashboardOptions(host=host, token=TOKEN).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    assert DashboardOptions(host=host).token is None


@pytest.mark.real_time
async def test_a_backend_serves_it_while_it_runs_and_names_a_port_that_is_taken() -> None:
    settings = {"metrics": True, "dashboard": {"port": 0}}
    backend = get_registry().create("local", BackendConfig(vad="energy", telemetry=settings))
    async with backend:
        assert backend.telemetry.dashboard is not None
        url = backend.telemetry.dashboard.url
        session = await backend.create_session(
            SessionConfig(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech, metadata={"secret": "s3cr3t"})
        )
        status, text = await got(url + "calls.json")
        assert status == 200
        assert session.id in text
        assert "s3cr3t" not in text
        port = int(url.rstrip("/").rpartition(":")[2])
        second = get_registry().create("local", BackendConfig(telemetry={"dashboard": {"port": port}}))
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be listened on"):
            await second.start()
        await second.aclose()
        await session.aclose()
    with pytest.raises(aiohttp.ClientConnectionError):
        await got(url)


@pytest.mark.real_time
async def test_top_shows_the_calls_of_a_running_process() -> None:
    telemetry = Telemetry(dashboard={"port": 0, "token": TOKEN})
    await telemetry.start()
    assert telemetry.dashboard is not None
    variable = "BELUGA_VOICE_TELEMETRY__DASHBOARD__TOKEN"

    async def top(*flags: str, token: str | None = TOKEN) -> tuple[int | None, str]:
        """A process of its own: in this one it would keep the loop from answering."""
        assert telemetry.dashboard is not None
        program = [sys.executable, "-m", "beluga_voice", "top", "--url", telemetry.dashboard.url, *flags]
        environment = {**os.environ, "COLUMNS": "200"} | ({variable: token} if token is not None else {})
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*program, stdout=pipe, stderr=pipe, env=environment)
        out, err = await process.communicate()
        return process.returncode, (out + err).decode()

    try:
        async with on_call(agent, telemetry=telemetry) as tried:
            await tried.say("able bake")
            await tried.heard(ConversationItemAdded, nth=2)
            code, text = await top("--once")
            assert code == 0, text
            (line,) = [each for each in text.splitlines() if each.startswith(tried.session.id[:8])]
            assert line.split()[1:3] == ["local", "active"]
            assert "caller to agent" in text
            code, text = await top("--json")
            assert json.loads(text)["calls"][0]["id"] == tried.session.id
        for token in (None, "wrong-wrong-wrong-wrong"):
            code, text = await top("--once", token=token)
            assert code not in (0, None)
            assert variable in text
            assert TOKEN not in text
    finally:
        await telemetry.aclose()
