"""A program that never outlives who started it, and whose output is kept for whoever wonders what it did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KeptProcess"]

# What the guard may take on a busy machine before it goes together with its child, in seconds.
_GUARD_S = 5.0
_GUARD = Path(__file__).with_name("_guard.py")


class KeptProcess:
    """Started when it is made; ends with `kill`, and at the latest with this process, however that ends."""

    def __init__(self, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> None:
        self._output = tempfile.NamedTemporaryFile(prefix="beluga-voice-", suffix=".log")  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", _GUARD, *command],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for this process, which decides what it means for the program.
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        except BaseException:
            self._output.close()
            raise

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has written so far; empty after `kill`."""
        if self._output.closed:
            return ""
        return Path(self._output.name).read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Ends it at once (SIGKILL) and waits until it is gone. Nothing if it has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            # The guard kills its child, and reaps it: init does not do that in every container.
            self._process.wait(_GUARD_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._output.close()
