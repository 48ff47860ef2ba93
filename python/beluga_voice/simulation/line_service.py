"""The child's end of a `LineProcess`: commands in, answers and events out, one JSON object a line.

    in    {"id": 7, "do": "join", "with": {...}}
    out   {"id": 7, "result": ...}       or       {"id": 7, "error": "what went wrong", "kind": "RpcError", ...}
    out   {"event": "track_muted", "at_s": 12.3, ...}           `at_s`: the machine's monotonic clock

Commands run side by side. Output never waits: a parent that does not read for long must not hold up the sound here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from beluga_voice.clock import now
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["LineService", "take_precedence"]

_LONGEST_LINE = 16_000_000
# What a parent may leave unread before the child gives up on it.
_MOST_UNREAD = 64_000_000


def take_precedence() -> None:
    """Goes before other processes, where that is allowed: whoever measures must not be what is late."""
    with contextlib.suppress(PermissionError):
        os.nice(-10)


class LineService:
    """See the module. `error_facts(error)`: what a parent is told of an error besides its text and kind."""

    def __init__(self, *, error_facts: Callable[[Exception], Mapping[str, Any]] = lambda _: {}) -> None:
        # What libraries print goes where nobody takes it for an answer.
        self._out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._error_facts = error_facts
        self._tasks = Tasks(self._failed)
        self._transport: asyncio.WriteTransport | None = None

    async def serve(self, commands: Mapping[str, Callable[..., Awaitable[Any]]]) -> None:
        """Until the input ends, which it does when the parent does."""
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader(limit=_LONGEST_LINE)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        self._transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._out)
        try:
            with contextlib.suppress(ConnectionError):
                while line := await lines.readline():
                    self._tasks.start(self._answer(json.loads(line), commands), name="command")
        finally:
            await self._tasks.cancel()

    def tell(self, event: str, facts: Mapping[str, Any]) -> None:
        """Something happened; now, unless `facts` have an `at_s` of their own."""
        self._write({"event": event, "at_s": now(), **facts})

    async def _answer(self, asked: Mapping[str, Any], commands: Mapping[str, Callable[..., Awaitable[Any]]]) -> None:
        try:
            answer: dict[str, Any] = {"result": await commands[asked["do"]](**asked["with"])}
        except Exception as error:
            answer = {"error": str(error), "kind": type(error).__name__, **self._error_facts(error)}
        self._write({"id": asked["id"], **answer})

    def _write(self, what: Mapping[str, Any]) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > _MOST_UNREAD:
            print(f"{_MOST_UNREAD} bytes of events are unread: the parent hangs", file=sys.stderr, flush=True)  # noqa: T201
            os._exit(1)
        transport.write(json.dumps(what, ensure_ascii=False).encode() + b"\n")

    def _failed(self, error: BaseException) -> None:
        self.tell("failed", {"error": f"{type(error).__name__}: {error}"})
