"""A child process that is told what to do and tells what happens: the parent's end of a `LineService`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
import tempfile
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from beluga_voice.clock import now
from beluga_voice.errors import BelugaVoiceError, DeadlineError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

__all__ = ["LineProcess", "RemoteError"]

_LONGEST_LINE = 16_000_000
# Events that are remembered; older ones are forgotten.
_MOST_EVENTS = 100_000
# How long a child that was told to go may take before it is killed, in seconds.
_GOING_S = 3.0
_SHOWN_EVENTS = 15


class RemoteError(BelugaVoiceError):
    """A command failed in the child. `details`: the error's `kind` there, and what else is known of it."""


class LineProcess:
    """See the module.

        async with LineProcess("some.module", name="Ada") as ada:
            await ada.ask("join", url=url, token=token)
            muted = await ada.event("track_muted", identity="agent")

    - `on_event(event)`: called with each event as it comes.

    Every wait ends, and what it was that did not come is in the error.
    """

    def __init__(
        self, module: str, *arguments: str, name: str, on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self.name = name
        self.events: deque[dict[str, Any]] = deque(maxlen=_MOST_EVENTS)
        """What it has told, oldest first."""
        self._command = ["-P", "-m", module, *arguments]
        self._on_event = on_event
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._told = asyncio.Condition()
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

    async def ask(self, do: str, *, within: float = 10.0, **arguments: Any) -> Any:
        """Has it do something and returns the result.

        Raises RemoteError when that failed there, DeadlineError after `within` seconds, TransportError when it ended.
        """
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        stdin = self._started.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps({"id": number, "do": do, "with": arguments}).encode() + b"\n")
            async with asyncio.timeout(within):
                with contextlib.suppress(ConnectionError):  # it has ended: `_read` tells how
                    await stdin.drain()
                return await answer
        except TimeoutError:
            raise DeadlineError(f"{self.name} did not {do} within {within:g} s{self._lately()}") from None
        finally:
            self._asked.pop(number, None)

    async def event(
        self,
        name: str,
        *,
        within: float = 10.0,
        since: float = 0.0,
        where: Callable[[Mapping[str, Any]], bool] = lambda _: True,
        **facts: Any,
    ) -> dict[str, Any]:
        """The first event of that name with these facts, also one that was told before, `at_s` not before `since`.

        Raises DeadlineError after `within` seconds, TransportError when the child ended.
        """

        def fits(event: Mapping[str, Any]) -> bool:
            wanted = {"event": name, **facts}
            return event["at_s"] >= since and all(event.get(k) == v for k, v in wanted.items()) and where(event)

        until = now() + within
        async with self._told:
            while True:
                found = next(filter(fits, self.events), None)
                if found is not None:
                    return found
                if self._reading is None or self._reading.done():
                    raise self._gone()
                try:
                    async with asyncio.timeout(until - now()):
                        await self._told.wait()
                except TimeoutError:
                    wanted = " ".join([name, *(f"{key}={value!r}" for key, value in facts.items())])
                    raise DeadlineError(f"{self.name} told of no {wanted} in {within:g} s{self._lately()}") from None

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

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                told = json.loads(line)
                if "event" in told:
                    self.events.append(told)
                    if self._on_event is not None:
                        self._on_event(told)
                    async with self._told:
                        self._told.notify_all()
                else:
                    self._settle(told)
            await process.wait()
        finally:
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(self._gone())
            async with self._told:
                self._told.notify_all()

    def _settle(self, told: dict[str, Any]) -> None:
        answer = self._asked.get(told.pop("id"))
        if answer is None or answer.done():
            return
        if "error" in told:
            message = told.pop("error")
            answer.set_exception(RemoteError(f"{self.name}: {told['kind']}: {message}", details=told))
        else:
            answer.set_result(told["result"])

    def _gone(self) -> TransportError:
        code = self._process.returncode if self._process is not None else None
        self._errors.seek(0)
        last_words = self._errors.read()[-4_000:].decode(errors="replace")
        return TransportError(f"{self.name}'s process is gone (exit code {code}): {last_words}", code="disconnected")

    def _lately(self) -> str:
        lately = [json.dumps(event) for event in list(self.events)[-_SHOWN_EVENTS:]]
        return "; it lately told:\n" + "\n".join(lately) if lately else "; it told nothing so far"
