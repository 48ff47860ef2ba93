"""A child process that is told what to do and tells what happens: the parent's end of a `LineService`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Self

from beluga_voice.errors import TransportError
from beluga_voice.simulation.remote import Remote, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

__all__ = ["LineProcess", "RemoteError"]

_LONGEST_LINE = 16_000_000
# How long a child that was told to go may take before it is killed, in seconds.
_GOING_S = 3.0


class LineProcess(Remote):
    """async with LineProcess("some.module", name="Ada") as ada:
        await ada.ask("join", url=url, token=token)
        muted = await ada.event("track_muted", identity="agent")

    `arguments` go to the module; see `Remote` for the rest. The child ends with this process, however that ends.
    """

    def __init__(
        self, module: str, *arguments: str, name: str, on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        super().__init__(name, on_event=on_event)
        self._command = ["-P", "-m", module, *arguments]
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Starts it."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            # Ctrl-C in the terminal is for this process; the child goes when its input ends.
            start_new_session=True,
            limit=_LONGEST_LINE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._reading = asyncio.create_task(self._read(self._process), name=f"beluga-voice lines of {self.name}")

    @property
    def pid(self) -> int:
        """The process's id. Raises TransportError before `start`."""
        return self._started.pid

    def kill(self) -> None:
        """Ends it as a crash would."""
        with contextlib.suppress(ProcessLookupError):
            self._started.kill()

    async def aclose(self) -> None:
        """Ends it: its input ends, and soon after it is killed."""
        process, reading = self._process, self._reading
        if process is None or reading is None:
            self._errors.close()
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_GOING_S):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()
        await asyncio.wait([reading])
        self._errors.close()
        # What broke while reading is nobody's secret.
        reading.result()

    @property
    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise TransportError(f"{self.name} is not started", code="not_connected")
        return self._process

    async def _send(self, line: Mapping[str, Any]) -> None:
        stdin = self._started.stdin
        assert stdin is not None
        stdin.write(json.dumps(line).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # it has ended: `_read` tells how
            await stdin.drain()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                await self._take(json.loads(line))
            await process.wait()
        finally:
            await self._ended(self._gone())

    def _gone(self) -> TransportError:
        code = self._started.returncode
        self._errors.seek(0)
        last_words = self._errors.read()[-4_000:].decode(errors="replace")
        return TransportError(f"{self.name}'s process is gone (exit code {code}): {last_words}", code="disconnected")
