"""A backend of somebody else's: it answers whoever rings, and its server does what a test tells it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from beluga_voice.backend import ConfigField, ProviderCapabilities
from beluga_voice.errors import TransportError
from beluga_voice.health import ComponentHealth
from beluga_voice.voice_backend import VoiceBackend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beluga_voice import BackendConfig, LocalCall, SessionConfig, VoiceSession
    from beluga_voice.transport import CallEvents, CallSettings, OpenCall


class FakeServer:
    """What the backend reaches: `troubles` are raised by the next attempts, one by one; `mute`: it never answers."""

    def __init__(self, *troubles: BaseException) -> None:
        self.troubles = list(troubles)
        self.mute = False
        self.delay_s = 0.0
        self.engaged_every = 0
        """Every so many attempt fails for good; 0: none."""
        self.asked_at: list[float] = []
        self.states: list[str] = []
        self.made: list[str] = []
        self.closed = 0

    async def ask(self, backend: VoiceBackend) -> None:
        self.asked_at.append(asyncio.get_running_loop().time())
        self.states.append(backend.get_connection_state())
        if self.mute:
            await asyncio.Event().wait()
        await asyncio.sleep(self.delay_s)
        if self.engaged_every and len(self.asked_at) % self.engaged_every == 0:
            raise TransportError("engaged", code="protocol_error")
        if self.troubles:
            raise self.troubles.pop(0)


class NextCall:
    """What a session starts on: it waits until somebody calls."""

    def __init__(self, calls: asyncio.Queue[LocalCall]) -> None:
        self._calls = calls

    async def open(self, settings: CallSettings, events: CallEvents) -> OpenCall:
        return await (await self._calls.get()).open(settings, events)


class FakeBackend(VoiceBackend):
    """See the module."""

    def __init__(self, config: BackendConfig, server: FakeServer, calls: asyncio.Queue[LocalCall]) -> None:
        super().__init__(config, provider="phone")
        self.server = server
        self.calls = calls

    async def answer(self, config: SessionConfig) -> VoiceSession:
        async with self._operation("answer"):
            session = await self.create_session(config)
            try:
                await self._reach("dial", lambda: self.server.ask(self))
                self.server.made.append(session.id)
                await session.start(NextCall(self.calls))
            except BaseException:
                await session.aclose()
                raise
            return session

    async def _open(self) -> None:
        await self.server.ask(self)

    async def _close(self) -> None:
        self.server.closed += 1
        if self.server.mute:
            await asyncio.Event().wait()

    async def _examine(self) -> Mapping[str, ComponentHealth]:
        try:
            await self._reach("health_check", self._open, max_retries=0)
        except Exception as error:
            return {"server": ComponentHealth("unhealthy", str(error))}
        return {"server": ComponentHealth()}


class FakePhoneProvider:
    """Makes them, all with the same server."""

    def __init__(self, server: FakeServer | None = None) -> None:
        self.server = server or FakeServer()
        self.calls: asyncio.Queue[LocalCall] = asyncio.Queue()

    def get_name(self) -> str:
        return "phone"

    def get_capabilities(self) -> ProviderCapabilities:
        return ProviderCapabilities(supported_codecs=("pcmu",), max_concurrent_sessions=30)

    def create_backend(self, config: BackendConfig) -> FakeBackend:
        return FakeBackend(config, self.server, self.calls)

    def validate_config(self, config: BackendConfig) -> None:
        """Takes anything."""

    def get_config_schema(self) -> tuple[ConfigField, ...]:
        return ()


def fake_backend(server: FakeServer | None = None, **config: Any) -> FakeBackend:
    from beluga_voice import BackendConfig

    return FakePhoneProvider(server).create_backend(BackendConfig(**{"provider": "phone", "vad": "energy", **config}))
