"""What a session tells, and whom."""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
import weakref
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from beluga_voice.errors import BelugaVoiceError, ConfigError, InternalError, InvalidStateError
from beluga_voice.events import EVENT_NAMES, ErrorEvent, SessionEvent
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from beluga_voice.hooks.redaction import OutgoingWords
    from beluga_voice.hooks.redactor import Redactor

__all__ = ["SessionEvents"]

_log = logging.getLogger("beluga_voice.session")

# Events that a slow loop over them may be behind. Policy: the oldest is dropped and counted.
_EVENTS_WAITING = 1_000
# How long callbacks that are still at work may take when the session is over, in seconds.
_GRACE_S = 1.0


class SessionEvents:
    """Tells the transport first, then callbacks, then loops over all that happens.

    What fails in a callback is an event too, and harms nothing else. `redactor` looks over what is logged, `outgoing`
    over what the transport is told.
    """

    def __init__(self, redactor: Redactor | None, outgoing: OutgoingWords | None) -> None:
        self._redactor = redactor
        self._outgoing = outgoing
        self.transport: Callable[[SessionEvent], None] | None = None
        """The transport's call, for as long as there is one."""
        self.dropped = 0
        """What a loop over `all` missed because it was too slow."""
        self._callbacks: dict[str, list[Callable[[Any], object]]] = defaultdict(list)
        # By the order in which they came.
        self._queues: weakref.WeakKeyDictionary[asyncio.Queue[SessionEvent | None], None] = weakref.WeakKeyDictionary()
        self._tasks = Tasks(self.failed)
        self._over = False

    # -- listening ------------------------------------------------------------------------------------------------

    def on(self, name: str, callback: Callable[[Any], object]) -> None:
        """Calls it for each event of that name. Raises ConfigError for a name that no event has."""
        self.check_name(name)
        self._callbacks[name].append(callback)

    @staticmethod
    def check_name(name: str) -> None:
        """Raises ConfigError for a name that no event has."""
        if name not in EVENT_NAMES:
            raise ConfigError(f"no event {name!r}: allowed: {', '.join(EVENT_NAMES)}")

    def off(self, name: str, callback: Callable[[Any], object]) -> None:
        """Takes back what `on` did."""
        self._callbacks[name].remove(callback)

    def all(self) -> AsyncIterator[SessionEvent]:
        """Every event from now on, until the last."""
        queue: asyncio.Queue[SessionEvent | None] = asyncio.Queue(_EVENTS_WAITING)
        if self._over:
            queue.put_nowait(None)
        # Held by whoever iterates, and by nobody else.
        self._queues[queue] = None
        return _each(queue)

    # -- telling --------------------------------------------------------------------------------------------------

    def tell(self, event: SessionEvent) -> None:
        """Something happened."""
        if self.transport is not None:
            self.transport(self._outgoing.of(event) if self._outgoing is not None else event)
        for callback in tuple(self._callbacks.get(event.type, ())):
            try:
                result = callback(event)
                if inspect.iscoroutine(result):
                    self._tasks.start(self._called_back(result, event), name=f"on {event.type}")
            except Exception as error:
                self._callback_failed(error, event)
        self._queue(event)

    def failed(self, error: BaseException) -> None:
        """A defect of ours."""
        wrapped = InternalError(f"{type(error).__name__}: {error}", operation="session")
        wrapped.__cause__ = error
        self._log(logging.ERROR, wrapped, error)
        self.tell(ErrorEvent(at_s=0.0, error=wrapped, source="session", recoverable=True))

    def end(self) -> None:
        """The last event was told."""
        self._over = True
        self._queue(None)

    async def settle(self) -> None:
        """Callbacks that are still at work have a moment, then they are cancelled."""
        await self._tasks.settle(_GRACE_S)
        await self._tasks.cancel()

    def is_callback(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a callback runs in that task."""
        return task in self._tasks

    async def _called_back(self, work: Coroutine[Any, Any, object], event: SessionEvent) -> None:
        try:
            await work
        except Exception as error:
            self._callback_failed(error, event)

    def _callback_failed(self, error: Exception, event: SessionEvent) -> None:
        message = f"a callback of {event.type} raised {type(error).__name__}: {error}"
        wrapped = InvalidStateError(message, operation="on")
        wrapped.__cause__ = error
        self._log(logging.WARNING, wrapped, error)
        told = ErrorEvent(at_s=event.at_s, error=wrapped, source="session", recoverable=True)
        # What fails at hearing of an error is not told of its own.
        if event.type == ErrorEvent.type:
            self._queue(told)
        else:
            self.tell(told)

    def _log(self, level: int, wrapped: BelugaVoiceError, error: BaseException) -> None:
        if self._redactor is None:
            _log.log(level, "%s", wrapped, exc_info=error)
        else:
            trace = "".join(traceback.format_exception(error))
            _log.log(level, "%s", self._redactor.redact(f"{wrapped}\n{trace}"))

    def _queue(self, event: SessionEvent | None) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
                self.dropped += 1
            queue.put_nowait(event)


async def _each(queue: asyncio.Queue[SessionEvent | None]) -> AsyncIterator[SessionEvent]:
    while (event := await queue.get()) is not None:
        yield event
