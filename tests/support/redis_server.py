"""A redis-server of the test's own, on a socket in a folder."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

# How long it may take to be ready, in seconds.
_START_TIMEOUT_S = 20.0


@contextmanager
def redis_server() -> Generator[str]:
    """Its URL. Nothing of it stays."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not on PATH: python3 ci/prepare.py servers")
    with TemporaryDirectory() as place:
        socket = Path(place) / "redis.sock"
        command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        with subprocess.Popen([*command, "--dir", place], stdout=subprocess.PIPE) as server:
            try:
                late_at = time.monotonic() + _START_TIMEOUT_S
                assert server.stdout is not None
                for line in server.stdout:
                    if b"eady to accept connections" in line:
                        break
                    assert time.monotonic() < late_at, "redis-server does not start"
                yield f"unix://{socket}"
            finally:
                server.terminate()
                assert server.stdout is not None
                server.stdout.read()
