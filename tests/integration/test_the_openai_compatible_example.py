"""`examples/openai_compatible.py`: its LLM, recogniser and voice against a server with OpenAI's endpoints."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from support.answering import codes
from support.call import EAR_HZ, PATIENCE_S, on_call
from support.openai_server import OpenAIServer, openai_server
from typer.testing import CliRunner

from beluga_voice.cli.agent_loading import load_agent
from beluga_voice.cli.app import app
from beluga_voice.errors import ConfigError
from beluga_voice.events import ErrorEvent, Interruption, MetricsCollected, PlayoutFinished
from beluga_voice.metrics import STTMetrics
from beluga_voice.registry import ComponentRegistry
from beluga_voice.session import VoiceSession
from beluga_voice.testing import run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = f"{ROOT}/examples/openai_compatible.py:agent"
QUESTION = ROOT / "tests" / "data" / "weather_question.wav"
# `support.canary` searches whatever is raised and logged for it.
KEY = SecretStr("sk-test-9f3b6c1d8e")

Serving = Callable[[], AbstractAsyncContextManager[OpenAIServer]]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `--agent ... --stt openai --tts openai` gives a session."""
    monkeypatch.setattr("beluga_voice.registry.components", ComponentRegistry())
    monkeypatch.setenv("OPENAI_API_KEY", KEY.get_secret_value())
    return {"agent": load_agent(EXAMPLE), "stt": "openai", "tts": "openai"}


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Serving:
    """Runs a server, the one that the environment names."""

    @asynccontextmanager
    async def serve() -> AsyncGenerator[OpenAIServer]:
        async with openai_server(KEY.get_secret_value()) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            yield server

    return serve


def on_virtual_time(test: Callable[..., Any]) -> Callable[..., None]:
    """The clock waits for what comes over a connection: a busy machine makes no gap in what is heard."""

    @functools.wraps(test)
    def on_its_loop(**fixtures: Any) -> None:
        run(test(**fixtures))

    return on_its_loop


def said(request: dict[str, Any]) -> list[tuple[str, str]]:
    """A chat's messages after the instructions, which come first."""
    first, *rest = request["messages"]
    assert first["role"] == "system"
    return [(message["role"], message["content"]) for message in rest]


@on_virtual_time
async def test_a_caller_is_heard_by_the_server_and_hears_what_it_says(
    serving: Serving, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTS_VOICE", "af_heart")
    monkeypatch.setenv("LLM_MODEL", "our-own")
    async with serving() as server, on_call(**example) as tried:
        server.replies = [["gold ", "hand."], ["iron."]]
        await tried.say("able bake")
        await tried.heard(PlayoutFinished)
        await tried.say("calm")
        await tried.heard(PlayoutFinished, nth=2)
        spoken = [(request["input"].strip(), request["voice"]) for request, _ in server.speeches]
        assert spoken == [("gold hand.", "af_heart"), ("iron.", "af_heart")]
        sent = [sound.tobytes() for _, sound in server.speeches]
        await tried.until(lambda: all(pcm in tried.agent_sound.tobytes() for pcm in sent))  # sample by sample
        heard_s = tried.session.usage().stt_seconds

    assert [server.hears(sound) for _, sound in server.uploads] == ["able bake", "calm"]
    assert sum(len(sound) for _, sound in server.uploads) == round(heard_s * EAR_HZ)
    assert {model for model, _ in server.uploads} == {"whisper-1"}
    first, second = server.chats
    assert said(first) == [("user", "able bake")]
    assert said(second) == [("user", "able bake"), ("assistant", "gold hand."), ("user", "calm")]
    assert first["model"] == "our-own"
    assert codes(tried) == []


@on_virtual_time
async def test_who_talks_over_the_answer_closes_its_stream(serving: Serving, example: dict[str, Any]) -> None:
    async with serving() as server, on_call(**example) as tried:
        server.replies = [["gold hand iron jump kite lamp milk nest open pink. ", "And ", ""], ["rose."]]
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        assert not server.left.is_set()
        await tried.say("calm dark echo")
        await tried.heard(Interruption)
        async with asyncio.timeout(PATIENCE_S):
            await server.left.wait()
        await tried.agent_heard("rose")
    _, (_, heard), asked = said(server.chats[1])
    assert "gold hand iron jump kite lamp milk nest open pink.".startswith(heard)
    assert heard.startswith("gold")
    assert asked == ("user", "calm dark echo")
    assert codes(tried) == []


@pytest.mark.parametrize(("status", "code"), [(401, "authentication_error"), (500, "internal_error")])
@on_virtual_time
async def test_what_the_server_refuses_is_told_by_its_code_and_without_the_key(
    status: int, code: str, serving: Serving, example: dict[str, Any]
) -> None:
    async with serving() as server, on_call(**example) as tried:
        server.fault = status
        tried.session.generate_reply(user_input="able")
        await tried.heard(ErrorEvent)
        tried.session.say("gold")
        await tried.heard(ErrorEvent, nth=2)
        await tried.say("able")
        # The turn is given to the recogniser twice before it is lost.
        await tried.heard(MetricsCollected, lambda event: isinstance(event.metrics, STTMetrics))
        server.fault, server.replies = 0, [["hand."]]
        await tried.say("bake")
        await tried.agent_heard("hand")
    assert codes(tried) == [("agent", "agent_error"), ("tts", code), ("stt", code), ("stt", code)]
    for event in tried.all(ErrorEvent):
        assert f" answered {status}: " in event.error.message
        assert "**********" in event.error.message, "the server repeated the key"
        assert KEY.get_secret_value() not in json.dumps(event.error.to_dict())


@on_virtual_time
async def test_a_server_that_is_not_there_is_a_network_error(
    serving: Serving, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving():
        monkeypatch.setenv("TTS_BASE_URL", "http://127.0.0.1:1/v1")
        async with on_call(**example) as tried:
            tried.session.say("gold")
            failed = await tried.heard(ErrorEvent)
    assert (failed.source, failed.error.code, failed.error.provider) == ("tts", "network_error", "openai")


def test_rules_that_need_words_at_once_are_refused(example: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"allowed: 0 with stt\.openai\.interim_results = False"):
        VoiceSession(**example, turn_handling={"interruption": {"min_words": 2}})


async def test_the_command_of_its_first_lines_runs(serving: Serving, example: dict[str, Any], tmp_path: Path) -> None:
    command = ["simulate", str(QUESTION), "--agent", EXAMPLE, "--stt", "openai", "--tts", "openai"]
    async with serving() as server:
        server.hears = lambda _: "what is the weather"
        server.says = lambda _: np.full(12_000, 5_000, np.int16)
        server.replies = [["It is sunny."]]
        result = await asyncio.to_thread(CliRunner().invoke, app, [*command, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.stdout + result.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    (turn,) = report["turns"]
    assert (turn["heard"], turn["said"], report["errors"]) == ("what is the weather", "It is sunny.", [])
