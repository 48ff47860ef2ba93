"""Who may do what: the hook by which a backend asks its owner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AuthHook", "AuthResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthResult:
    """Who a token belongs to.

    - `user_id`: who it is, by any name of yours; what `authorize` and the rate limiter are asked with.
    - `authorized`: False refuses the token.
    - `metadata`: what is known of him; a session's agent finds it in `turn.metadata`.
    """

    user_id: str
    authorized: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


class AuthHook(ABC):
    """Authenticates who asks and authorises what they ask for. Whatever is not answered with a yes is refused.

    A method that raises, or has not answered within `hook_timeout`, refuses. Of its exception only the type is told:
    the text may hold the token.
    """

    @abstractmethod
    async def authenticate(self, token: str, metadata: Mapping[str, Any]) -> AuthResult:
        """Who a token belongs to. `token` is "" where none was given; `metadata` is the session's, if there is one."""

    @abstractmethod
    async def authorize(self, user_id: str, operation: str) -> bool:
        """Whether this user may: "create_session", "close_session", "update_config" ... as the methods are called.

        `user_id` is "" where the program asks for itself and not on behalf of anybody (see `acting_as`).
        """
