"""A session in a room of a real server, with all that it told kept."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from beluga_voice import VoiceSession, livekit
from beluga_voice.clock import now
from beluga_voice.events import SessionEvent
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from support.call import turn_handling

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from beluga_voice.testing import LiveKitServer
    from support.sdk_caller import SdkCaller, Spoken

MEDIA = ["native", "sdk"]
"""The paths that every test in tests/integration/livekit goes over."""

PATIENCE_S = 20.0
"""A test that waits longer than this has failed."""

E = TypeVar("E", bound=SessionEvent)


class RoomSession:
    """A session, on a room or on a caller in one; `told` are its events so far."""

    def __init__(self, agent: Any, **settings: Any) -> None:
        self.session = VoiceSession(
            **{
                "agent": agent,
                "stt": FakeSpeechToText(),
                "tts": FakeTextToSpeech(),
                "vad": "energy",
                "turn_handling": turn_handling(),
                **settings,
            }
        )
        self.told: list[SessionEvent] = []
        self._changed = asyncio.Event()
        self._watching = asyncio.create_task(self._watch(self.session.events()))

    async def _watch(self, events: Any) -> None:
        async for event in events:
            self.told.append(event)
            self._changed.set()

    def all(self, kind: type[E], which: Callable[[E], bool] = lambda _: True) -> list[E]:
        return [event for event in self.told if isinstance(event, kind) and which(event)]

    async def heard(self, kind: type[E], which: Callable[[E], bool] = lambda _: True, *, nth: int = 1) -> E:
        """The `nth` event of a kind for which `which` is so, now or later."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while len(self.all(kind, which)) < nth:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            told = "\n".join(f"{event.at_s:7.2f} {event}" for event in self.told)
            raise AssertionError(f"no {kind.__name__} number {nth}; there were:\n{told}") from None
        return self.all(kind, which)[nth - 1]

    async def aclose(self) -> None:
        await self.session.aclose()
        await self._watching


@asynccontextmanager
async def session_on(transport: Any, agent: Any, **settings: Any) -> AsyncGenerator[RoomSession]:
    """A session under way, ended at the end."""
    tried = RoomSession(agent, **settings)
    try:
        await tried.session.start(transport)
        yield tried
    finally:
        await tried.aclose()
    stats = tried.session.stats()
    for name in ("illegal_transitions", "events_dropped", "commands_refused", "transcripts_dropped"):
        assert stats[name] == 0, f"{name} = {stats[name]}"


@asynccontextmanager
async def joined(
    server: LiveKitServer, room: str, *, media: Any, identity: str = "agent", url: str | None = None, **options: Any
) -> AsyncGenerator[livekit.Room]:
    """A room as an agent has it; `url`: by way of a relay."""
    token = server.token(room, identity, kind="agent")
    async with await livekit.connect(
        url or server.url, token, options=livekit.RoomOptions(media=media, **options)
    ) as joined:
        yield joined


async def until(condition: Callable[[], bool]) -> None:
    """Until that is so; looked at every 10 ms, for what nobody tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def is_heard(room: livekit.Room, identity: str, *, track: str | None = None) -> None:
    """Until the agent's side has a track of somebody's, or that one: what is said before is said to nobody."""

    def subscribed() -> bool:
        there = room.remote_participants.get(identity)
        tracks = there.track_publications.values() if there is not None else ()
        return any(each.subscribed and track in (None, each.sid) for each in tracks)

    await until(subscribed)


async def say(caller: SdkCaller, text: str) -> Spoken:
    """Tone words, after a breath: the agent's ear opens with the first sound that reaches it."""
    return await caller.say_words(text, at_s=now() + 0.3)


async def answer_to(caller: SdkCaller, text: str, *, agent: str = "agent") -> list[str]:
    """Has the caller say that, and waits for the answer: the words of it that he heard."""
    asked = await say(caller, text)
    began_s = await caller.voice_from(agent, since=asked.last_s)
    await caller.silence_from(agent, since=began_s)
    return (await caller.heard(agent)).between(asked.last_s, now()).words
