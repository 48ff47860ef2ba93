"""An AuthHook that knows one user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beluga_voice.hooks import AuthHook, AuthResult

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SECRET = "tok-5f2c9-of-alice"


class Doorman(AuthHook):
    """Knows Alice by her token, and lets her do what is in `may`; everything where that is None."""

    def __init__(self, *may: str) -> None:
        self.may: Collection[str] | None = may or None
        self.asked: list[tuple[str, str]] = []
        self.metadata: list[Mapping[str, Any]] = []

    async def authenticate(self, token: str, metadata: Mapping[str, Any]) -> AuthResult:
        self.metadata.append(metadata)
        return AuthResult(user_id="alice", authorized=token == SECRET, metadata={"plan": "gold"})

    async def authorize(self, user_id: str, operation: str) -> bool:
        self.asked.append((user_id, operation))
        return self.may is None or operation in self.may
