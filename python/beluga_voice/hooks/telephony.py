"""Where calls from telephones go: the hook, and what a SIP participant says of his call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

__all__ = ["TelephonyHook"]


class TelephonyHook(ABC):
    """Decides which backend answers a telephone's call, and knows what there is to know of it.

    Each method may be `async def`, and has `hook_timeout`. A call whose `route_call` or `get_call_metadata` fails is
    answered where it came in, with what is known: nobody is to be hung up on for that.
    """

    @abstractmethod
    def route_call(self, phone_number: str, metadata: Mapping[str, Any]) -> str | Awaitable[str]:
        """The name of the backend that answers a call from this number; "" for the one that it came in at.

        `metadata` has `call_id`, `dialled_number`, `trunk_id` and `rule_id` as far as they are known.
        """

    def handle_sip(self, message: bytes, metadata: Mapping[str, Any]) -> bytes | Awaitable[bytes]:
        """The answer to a SIP message that a backend was handed; b"" for none."""
        return b""

    def get_call_metadata(self, call_id: str) -> Mapping[str, Any] | Awaitable[Mapping[str, Any]]:
        """What is known of a call; the agent finds it in `turn.metadata["telephony"]`."""
        return {}
