"""What is off is not imported, and costs a call nothing but a look at a list."""

from __future__ import annotations

import subprocess
import sys

import pytest

from beluga_voice.errors import MissingDependencyError
from beluga_voice.telemetry import Telemetry

A_CALL = """
import asyncio, sys
from beluga_voice import SessionConfig, get_registry
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech, run

async def call():
    from beluga_voice import LocalCall
    async with get_registry().create("local", {"vad": "energy"}) as backend:
        config = SessionConfig(agent=lambda turn: "gold", stt=FakeSpeechToText, tts=FakeTextToSpeech)
        session = await backend.create_session(config)
        await session.start(LocalCall())
        await session.say("gold hand")
        await session.aclose()

run(call())
others = ("opentelemetry", "prometheus_client", "starlette", "uvicorn", "structlog")
print(sorted(name for name in sys.modules if name.partition(".")[0] in others))
"""


def test_a_call_without_telemetry_imports_none_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", A_CALL], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_what_is_off_listens_to_nothing() -> None:
    from beluga_voice import VoiceSession
    from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

    session = VoiceSession(agent=lambda turn: "gold", stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
    Telemetry().watch(session)
    assert not session._events._callbacks


@pytest.mark.parametrize(
    ("options", "module", "extra"),
    [
        ({"metrics": True}, "opentelemetry.metrics", "telemetry"),
        ({"traces": True}, "opentelemetry.trace", "telemetry"),
        ({"dashboard": {}}, "starlette", "dashboard"),
        ({"dashboard": {}}, "uvicorn", "dashboard"),
    ],
)
def test_what_is_on_and_not_installed_is_said_as_the_line_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError) as missing:
        Telemetry(**options)
    assert str(missing.value) == f"pip install 'beluga-voice[{extra}]'"
