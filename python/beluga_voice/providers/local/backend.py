"""Backend `local`: callers within the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.providers.local.ringing import Ringing, RingingCall
from beluga_voice.voice_backend import VoiceBackend

if TYPE_CHECKING:
    from beluga_voice.config import BackendConfig, SessionConfig
    from beluga_voice.providers.local.call import LocalCall
    from beluga_voice.session import VoiceSession

__all__ = ["LocalBackend"]


class LocalBackend(VoiceBackend):
    """Callers in the same process.

        call = LocalCall()
        await backend.ring(call)
        session = await backend.answer(SessionConfig(agent=agent))

    Or without ringing: `await (await backend.create_session(config)).start(call)`.
    """

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config, provider="local")
        self._ringing = Ringing()

    async def ring(self, call: LocalCall, *, user_id: str | None = None) -> None:
        """A caller rings, under a name if he has one; `answer` takes the oldest call, or the one of its `user_id`.

        Raises SessionError session_limit_exceeded while 256 callers are ringing.
        """
        async with self._operation("ring"):
            await self._ringing.add(call, user_id)

    async def answer(self, config: SessionConfig) -> VoiceSession:
        """A session under way with the next caller, or the one of that `user_id`, who rings or will."""
        async with self._operation("answer", config):
            session = await self.create_session(config)
            await session.start(RingingCall(self._ringing, config.user_id))
            return session
