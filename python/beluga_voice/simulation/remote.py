"""Something elsewhere that is told what to do and tells what happens: a process, a page in a browser."""

from __future__ import annotations

import asyncio
import itertools
import json
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from beluga_voice.clock import now
from beluga_voice.errors import BelugaVoiceError, DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Remote", "RemoteError"]

# Events that are remembered; older ones are forgotten.
_MOST_EVENTS = 100_000
_SHOWN_EVENTS = 15


class RemoteError(BelugaVoiceError):
    """A command failed there. `details`: the error's `kind` there, and what else is known of it."""


class Remote(ABC):
    """Commands and answers, events and waiting for them; how lines get there and back is the subclass's business.

    - `on_event(event)`: called with each event as it comes.

    Every wait ends, and what it was that did not come is in the error.
    """

    def __init__(self, name: str, *, on_event: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.name = name
        self.events: deque[dict[str, Any]] = deque(maxlen=_MOST_EVENTS)
        """What it has told, oldest first."""
        self._on_event = on_event
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._told = asyncio.Condition()
        self._end: BelugaVoiceError | None = None

    async def ask(self, do: str, *, within: float = 10.0, **arguments: Any) -> Any:
        """Has it do something and returns the result.

        Raises RemoteError when that failed there, DeadlineError after `within` seconds, TransportError when it ended.
        """
        if self._end is not None:
            raise self._end
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within):
                await self._send({"id": number, "do": do, "with": arguments})
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

        Raises DeadlineError after `within` seconds, TransportError when it ended.
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
                if self._end is not None:
                    raise self._end
                try:
                    async with asyncio.timeout(until - now()):
                        await self._told.wait()
                except TimeoutError:
                    wanted = " ".join([name, *(f"{key}={value!r}" for key, value in facts.items())])
                    raise DeadlineError(f"{self.name} told of no {wanted} in {within:g} s{self._lately()}") from None

    @abstractmethod
    async def _send(self, line: Mapping[str, Any]) -> None:
        """Sends a command there."""

    async def _take(self, line: dict[str, Any]) -> None:
        """An answer or an event has come from there."""
        if "event" in line:
            self.events.append(line)
            if self._on_event is not None:
                self._on_event(line)
            async with self._told:
                self._told.notify_all()
            return
        answer = self._asked.get(line.pop("id"))
        if answer is None or answer.done():
            return
        if "error" in line:
            message = line.pop("error")
            answer.set_exception(RemoteError(f"{self.name}: {line['kind']}: {message}", details=line))
        else:
            answer.set_result(line["result"])

    async def _ended(self, error: BelugaVoiceError) -> None:
        """Nothing comes from there any more; whoever waits is told so."""
        self._end = error
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(error)
        async with self._told:
            self._told.notify_all()

    def _lately(self) -> str:
        lately = [json.dumps(event) for event in list(self.events)[-_SHOWN_EVENTS:]]
        return "; it lately told:\n" + "\n".join(lately) if lately else "; it told nothing so far"
