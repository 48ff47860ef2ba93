"""What the sessions of one room have in common: one participant whose state is shown, one topic for what is written."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from beluga_voice.errors import BelugaVoiceError
from beluga_voice.livekit.data_stream import StreamError
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from beluga_voice.events import AgentState
    from beluga_voice.livekit.data_stream import TextStreamReader
    from beluga_voice.livekit.participant import LocalParticipant
    from beluga_voice.livekit.stream_desk import StreamDesk

__all__ = ["AgentsDesk"]

_log = logging.getLogger("beluga_voice.livekit")

CHAT_TOPIC = "lk.chat"
STATE_ATTRIBUTE = "lk.agent.state"

# Changes of the attribute that may be under way. Policy: what comes meanwhile is shown as it is in the end.
_CHANGES_AT_ONCE = 4
# How long the server may take to hear of an agent's last state, in seconds.
_SETTLE_S = 0.5


class Served(Protocol):
    """A session's call."""

    @property
    def identity(self) -> str:
        """The caller's."""
        ...

    def text_received(self, text: str) -> None:
        """The caller wrote."""
        ...


class AgentsDesk:
    """One for each room.

    The state of an agent is shown as our attribute `lk.agent.state`, which LiveKit's frontends look at. Where several
    callers are served it is "listening": nobody is to learn from it what the others do.
    """

    def __init__(self, local: LocalParticipant, streams: StreamDesk) -> None:
        self._local = local
        self._streams = streams
        self._tasks = Tasks(self._failed)
        self._states: dict[Served, AgentState] = {}
        self._readers: dict[Served, None] = {}
        """Those whose callers may write."""
        self._shown: str | None = None
        self._showing = 0

    def add(self, call: Served, *, text_input: bool) -> None:
        """A session began."""
        self._states[call] = "listening"
        if text_input:
            if not self._readers:
                self._register()
            self._readers[call] = None
        self._show()

    def discard(self, call: Served) -> None:
        """It is over."""
        self._states.pop(call, None)
        if self._readers.pop(call, "unknown") != "unknown" and not self._readers:
            self._streams.unregister(CHAT_TOPIC, is_text=True)
        self._show()

    def note_state(self, call: Served, state: AgentState) -> None:
        """Its agent does something else."""
        if call in self._states:
            self._states[call] = state
            self._show()

    async def settle(self) -> None:
        """Until the others are shown what is so, or for half a second: who ends a session may close its loop next."""
        await self._tasks.settle(_SETTLE_S)
        if not self._states:
            await self._tasks.cancel()

    async def aclose(self) -> None:
        """The room is left."""
        await self._tasks.cancel()

    # -- state ----------------------------------------------------------------------------------------------------

    @property
    def _wanted(self) -> str:
        if not self._states:
            return "idle"
        return next(iter(self._states.values())) if len(self._states) == 1 else "listening"

    def _show(self) -> None:
        """A server may take seconds to answer; the next change does not wait for that, unless there are too many."""
        wanted = self._wanted
        if wanted != self._shown and self._showing < _CHANGES_AT_ONCE:
            self._shown = wanted
            self._showing += 1
            self._tasks.start(self._set(wanted), name="agent state")

    async def _set(self, state: str) -> None:
        try:
            await self._local.set_attributes({STATE_ATTRIBUTE: state})
        except BelugaVoiceError as error:
            _log.debug("%s is not shown: %s", STATE_ATTRIBUTE, error)
        finally:
            self._showing -= 1
            self._show()

    # -- text -----------------------------------------------------------------------------------------------------

    def _register(self) -> None:
        try:
            self._streams.register(CHAT_TOPIC, self._on_text, is_text=True)
        except ValueError:
            _log.info("the topic %s has a handler of its own: sessions do not read it", CHAT_TOPIC)

    def _on_text(self, reader: TextStreamReader, identity: str) -> None:
        calls = [call for call in self._readers if call.identity == identity]
        if calls:
            self._tasks.start(self._read(reader, calls), name="chat")
        else:
            reader.close()

    async def _read(self, reader: TextStreamReader, calls: list[Served]) -> None:
        try:
            text = await reader.read_all()
        except StreamError as error:
            _log.info("what a caller wrote could not be read: %s", error.description)
            return
        for call in calls:
            call.text_received(text)

    def _failed(self, error: BaseException) -> None:
        _log.error("the agents of a room could not be shown", exc_info=error)
