"""Threads for blocking calls, and the end of the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
import threading
import time

from beluga_voice.worker_pool import WorkerPool

begun = threading.Event()


def load() -> None:
    begun.set()
    time.sleep(0.3)
    print("loaded", flush=True)


pool = WorkerPool(1, exit_wait_s=float(sys.argv[1]))
pool.submit(load)
pool.submit(lambda: print("never", flush=True))
begun.wait()
"""


@pytest.mark.parametrize(("exit_wait_s", "shown"), [("60", "loaded\n"), ("0", "")])
def test_the_exit_waits_for_a_call_that_runs_where_that_is_asked_for(exit_wait_s: str, shown: str) -> None:
    """A thread that comes back from C++ into an interpreter that is ending aborts the process."""
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, exit_wait_s], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, shown, "")
