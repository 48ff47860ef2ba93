"""Child processes that recognise: one for each call, one more warm while there are calls, never more than so many."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

from beluga_voice.clock import in_flight
from beluga_voice.components.stt._pocketsphinx_worker import HEADER
from beluga_voice.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

_WORKER = "beluga_voice.components.stt._pocketsphinx_worker"
_PROVIDER = "pocketsphinx"

# How long a child that was told to go may take before it is killed, in seconds.
_GOING_S = 1.0


def _error(code: str, message: str, **details: object) -> ComponentError:
    return ComponentError(message, component="stt", code=code, provider=_PROVIDER, details=details)


class Child:
    """One process. One exchange at a time; one that fails, is cancelled or late makes the child unusable."""

    def __init__(self, process: asyncio.subprocess.Process, *, timeout_s: float) -> None:
        self._process = process
        self._timeout_s = timeout_s
        self.usable = True

    @classmethod
    async def spawn(cls, settings: Mapping[str, Any], *, timeout_s: float) -> Child:
        """A process that has loaded its models."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory could hold a json.py
            "-m",
            _WORKER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # In a session of its own: Ctrl-C in the terminal, or the shell's job control, is for this process, which
            # then lets its calls finish; the child goes when its input ends.
            start_new_session=True,
            # The child finds what this process finds, however this one's path came to be.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        child = cls(process, timeout_s=timeout_s)
        try:
            await child.ask(b"O", json.dumps(settings).encode())
        except BaseException:
            await child.aclose()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def ask(self, kind: bytes, payload: bytes = b"") -> tuple[bytes, bytes]:
        """One frame there, one frame back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self.usable:
            raise _error("stream_closed", "the recogniser's process is gone")
        self.usable = False  # until the answer is here, also when this is cancelled
        try:
            async with in_flight("stt"), asyncio.timeout(self._timeout_s):
                self._process.stdin.write(HEADER.pack(kind[0], len(payload)) + payload)
                await self._process.stdin.drain()
                code, length = HEADER.unpack(await self._process.stdout.readexactly(HEADER.size))
                body = await self._process.stdout.readexactly(length)
        except TimeoutError:
            raise _error(
                "stream_timeout", f"the recogniser did not answer within {self._timeout_s} s", pid=self.pid
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise _error(
                "stream_closed", "the recogniser's process died", pid=self.pid, returncode=self._process.returncode
            ) from error
        reply = bytes([code])
        if reply == b"x":
            raise _error("internal_error", f"the recogniser failed: {body.decode(errors='replace')}", pid=self.pid)
        self.usable = True
        return reply, body

    async def aclose(self) -> None:
        """Ends the process: asked by the end of its input, killed if it is busy or stuck."""
        idle, self.usable = self.usable, False
        if self._process.stdin is not None:
            self._process.stdin.close()
        if not idle:
            self._kill()
        try:
            async with in_flight("stt"), asyncio.timeout(_GOING_S):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            async with in_flight("stt"):
                await self._process.wait()
        # Until the loop has seen the pipes close, their transports outlive it and complain.
        if self._process.stdout is not None:
            with contextlib.suppress(Exception):
                await self._process.stdout.read()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


class Pool:
    """The children of one event loop that share their settings."""

    def __init__(self, settings: Mapping[str, Any], *, timeout_s: float) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._holders = 0
        self._busy = 0
        self._idle: list[Child] = []
        self._warming: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncGenerator[Pool]:
        """Keeps children warm as long as anyone is within; the last one out ends them all."""
        self._holders += 1
        try:
            yield self
        finally:
            self._holders -= 1
            await self._shrink()

    async def take(self, limit: int) -> Child:
        """A child that has loaded its models and knows nothing of earlier calls.

        Raises ComponentError quota_exceeded when `limit` of them are in use.
        """
        if self._busy >= limit:
            raise _error(
                "quota_exceeded",
                f"all {limit} PocketSphinx processes are in use: raise stt.pocketsphinx.max_processes",
                max_processes=limit,
            )
        self._busy += 1
        try:
            child = await self._fresh()
        except BaseException:
            self._busy -= 1
            raise
        if self._busy < limit:
            self._warm()
        return child

    async def _fresh(self) -> Child:
        if self._warming is not None and not self._idle:
            await asyncio.wait({self._warming})
        while self._idle:
            child = self._idle.pop()
            try:
                await child.ask(b"R")
            except ComponentError:
                self._dismiss(child)
                continue
            except BaseException:
                self._dismiss(child)
                raise
            return child
        return await Child.spawn(self._settings, timeout_s=self._timeout_s)

    def give_back(self, child: Child) -> None:
        """The call is over, or its child is of no use any more."""
        self._busy -= 1
        if child.usable and not self._idle:
            self._idle.append(child)
        else:
            self._dismiss(child)

    def _warm(self) -> None:
        if self._warming is None and not self._idle:
            self._warming = asyncio.create_task(self._add_idle(), name="beluga-voice warm recogniser")

    async def _add_idle(self) -> None:
        try:
            # A child that cannot start is reported to the call that needs it.
            with contextlib.suppress(ComponentError, OSError):
                self._idle.append(await Child.spawn(self._settings, timeout_s=self._timeout_s))
        finally:
            self._warming = None

    def _dismiss(self, child: Child) -> None:
        task = asyncio.create_task(child.aclose(), name="beluga-voice end recogniser")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _shrink(self) -> None:
        if self._holders == 0:
            if self._warming is not None:
                warming = self._warming
                warming.cancel()
                await asyncio.wait({warming})
            while self._idle:
                self._dismiss(self._idle.pop())
        if self._closing:
            await asyncio.wait(set(self._closing))


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Pool]] = weakref.WeakKeyDictionary()


def pool_for(settings: Mapping[str, Any], *, timeout_s: float) -> Pool:
    """The running loop's pool of children with these settings."""
    key = json.dumps([settings, timeout_s], sort_keys=True)
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    if key not in pools:
        pools[key] = Pool(settings, timeout_s=timeout_s)
    return pools[key]
