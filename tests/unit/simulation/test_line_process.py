"""A child that is told what to do: its answers, its errors, its events, its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from beluga_voice.clock import now
from beluga_voice.errors import DeadlineError, TransportError
from beluga_voice.simulation.line_process import LineProcess, RemoteError

CHILD = """
import asyncio, os
from beluga_voice.simulation.line_service import LineService

async def main():
    service = LineService(error_facts=lambda error: {"size": len(str(error))})
    async def double(number):
        return 2 * number
    async def fail(text):
        raise ValueError(text)
    async def announce(name, facts):
        print("a library's chatter")
        service.tell(name, facts)
    async def wait():
        await asyncio.sleep(600)
    async def crash():
        os.write(2, b"last words")
        os._exit(7)
    commands = [double, fail, announce, wait, crash]
    await service.serve({each.__name__: each for each in commands})

asyncio.run(main())
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "child_of_a_test.py").write_text(CHILD)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "child_of_a_test"


async def test_it_answers_and_says_what_went_wrong(module: str) -> None:
    async with LineProcess(module, name="Ada") as ada:
        assert await ada.ask("double", number=21) == 42
        with pytest.raises(RemoteError, match="Ada: ValueError: no such room") as failed:
            await ada.ask("fail", text="no such room")
        assert failed.value.details == {"kind": "ValueError", "size": 12}
        with pytest.raises(RemoteError, match="KeyError"):
            await ada.ask("no such command")


async def test_events_are_found_by_their_facts_before_and_after_they_come(module: str) -> None:
    async with LineProcess(module, name="Ada") as ada:
        waiting = asyncio.ensure_future(ada.event("muted", who="bob"))
        await ada.ask("announce", name="muted", facts={"who": "eve"})
        await ada.ask("announce", name="muted", facts={"who": "bob"})
        assert (await waiting)["who"] == "bob"
        assert (await ada.event("muted"))["who"] == "eve"
        with pytest.raises(DeadlineError, match=r"Ada told of no muted who='bob' in 0\.01 s(?s:.)*eve"):
            await ada.event("muted", who="bob", since=now(), within=0.01)


async def test_a_command_that_takes_too_long_is_named(module: str) -> None:
    async with LineProcess(module, name="Ada") as ada:
        with pytest.raises(DeadlineError, match=r"Ada did not wait within 0\.01 s"):
            await ada.ask("wait", within=0.01)


async def test_a_childs_end_ends_all_waiting_with_its_last_words(module: str) -> None:
    async with LineProcess(module, name="Ada") as ada:
        event = asyncio.ensure_future(ada.event("muted"))
        await ada.ask("double", number=1)
        with pytest.raises(TransportError, match=r"exit code 7(?s:.)*last words"):
            await ada.ask("crash")
        with pytest.raises(TransportError, match="Ada's process is gone"):
            await event
        with pytest.raises(TransportError):
            await ada.event("muted")
