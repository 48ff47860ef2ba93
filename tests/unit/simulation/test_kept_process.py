"""A program that is run for as long as its owner lives."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from beluga_voice.simulation.kept_process import KeptProcess

# Says its process id and stays.
PROGRAM = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def pid_of(process: KeptProcess) -> int:
    while not process.output.endswith("\n"):
        assert process.running
    return int(process.output)


def gone(pid: int, *, within_s: float = 20.0) -> bool:
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([ended], [], [], within_s)[0])
    finally:
        os.close(ended)


def test_it_is_gone_when_kill_returns() -> None:
    process = KeptProcess([sys.executable, "-c", PROGRAM])
    pid = pid_of(process)
    process.kill()
    assert gone(pid, within_s=0.0)
    assert not process.running
    process.kill()


@pytest.mark.parametrize("way", ["killed", "returned"])
def test_it_does_not_outlive_its_owner(way: str, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    owner = f"""
import os, pathlib, signal, sys, time
from beluga_voice.simulation.kept_process import KeptProcess
process = KeptProcess([sys.executable, "-c", {PROGRAM!r}])
while not process.output.endswith("\\n"):
    pass
pathlib.Path({str(told)!r}).write_text(process.output)
if {way == "killed"}:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", owner], check=False)
    assert done.returncode == (-signal.SIGKILL if way == "killed" else 0)
    assert gone(int(told.read_text()))


def test_what_it_wrote_is_kept() -> None:
    process = KeptProcess([sys.executable, "-c", "import os; print(os.environ['SAID']); raise SystemExit(3)"],
                          environment={"SAID": "hello"})  # fmt: skip
    while process.running:
        pass
    assert process.output == "hello\n"
    process.kill()
