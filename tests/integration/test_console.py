"""`beluga-voice console`: at a terminal, out of a pipe, and by the microphone of a machine that has none."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATIENCE_S = 60.0
COMMAND = (sys.executable, "-m", "beluga_voice", "console")

AGENT = """
from beluga_voice import EndCall, ToolFinished, ToolStarted


async def agent(turn):
    if turn.text == "bye":
        yield "Goodbye."
        yield EndCall("he said so")
    elif turn.text == "fail":
        raise RuntimeError("no such table")
    elif turn.text == "look":
        yield ToolStarted("look_up", {"city": "Paris"})
        yield ToolFinished("look_up", "sun")
    else:
        yield f"You said [bold]{turn.text}[/bold]. "
        yield f"It was line {1 + sum(item.role == 'user' for item in turn.history)}."
"""


@pytest.fixture
def agent(tmp_path: Path) -> str:
    path = tmp_path / "an_agent.py"
    path.write_text(AGENT)
    return f"{path}:agent"


def written(agent: str, typed: str, *options: str) -> list[str]:
    """The lines that are shown for what comes out of a pipe."""
    done = subprocess.run(
        [*COMMAND, "--agent", agent, *options], input=typed, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line.rstrip() for line in done.stdout.splitlines()]


def test_every_line_of_a_pipe_is_answered_in_turn_and_none_cuts_off_another(agent: str) -> None:
    assert written(agent, "one\n\ntwo\nlook\nfail\nthree", "--text", "--greeting", "Hello.") == [
        "agent  Hello.",
        "you    one",
        "agent  You said [bold]one[/bold]. It was line 1.",
        "you",
        "you    two",
        "agent  You said [bold]two[/bold]. It was line 2.",
        "you    look",
        "⚙      look_up(city='Paris') → sun",
        "you    fail",
        "!      the agent agent raised RuntimeError: no such table (agent_error)",
        "you    three",
        "agent  You said [bold]three[/bold]. It was line 5.",
        "you",
    ]


def test_an_agent_that_ends_the_call_ends_the_command(agent: str) -> None:
    assert written(agent, "bye\nmore\n", "--text") == ["you    bye", "agent  Goodbye."]


def test_where_there_is_no_sound_one_writes_and_is_told_why(agent: str) -> None:
    first, *_ = written(agent, "bye\n")
    assert re.match(r"in writing, for .*(pip install|apt install|python -m sounddevice)", first)


class Terminal:
    """The far end of a pty."""

    def __init__(self, end: int) -> None:
        self._end = end
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def until(self, text: str) -> None:
        """Until that is on the screen, after what was waited for before."""
        until = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            ready, _, _ = select.select([self._end], [], [], until - time.monotonic())
            assert ready, f"{text!r} was not shown, but {self.shown!r}"
            self.shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(self._end, 4096).decode())
        self.shown = self.shown.partition(text)[2]


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_at_a_terminal_one_is_asked_answered_and_may_go(agent: str, key: str) -> None:
    end, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}

    def sit_down() -> None:
        # Its controlling terminal, so that Ctrl-C is a signal, which what a shell runs in the background ignores.
        os.close(os.open(os.ttyname(theirs), os.O_RDWR))
        signal.signal(signal.SIGINT, signal.default_int_handler)

    process = subprocess.Popen(
        [*COMMAND, "--text", "--agent", agent],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True, preexec_fn=sit_down,
    )  # fmt: skip
    os.close(theirs)
    terminal = Terminal(end)
    try:
        terminal.until("you    ")
        terminal.type("one\n")
        terminal.until("agent  You said [bold]one[/bold]. It was line 1.")
        terminal.until("you    ")
        terminal.type(key)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(end)
