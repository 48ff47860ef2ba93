"""What is asked before and told after an agent uses a tool: the hook."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from beluga_voice.commands import ToolFinished

__all__ = ["ToolCall", "ToolHook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that the agent is about to use, and in whose call."""

    name: str
    arguments: Mapping[str, Any]
    call_id: str = ""
    session_id: str = ""
    user_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


class ToolHook(ABC):  # noqa: B024 - each method has a default that lets everything be
    """Sees the tools of an agent that tells of them (`ToolStarted`, `ToolFinished`).

    An agent written as an async or plain generator waits at its `yield ToolStarted(...)` until `before` has answered,
    and has ToolDeniedError raised there if that says no. `before` and `after` may be `async def`, each has
    `hook_timeout`.
    """

    def before(self, call: ToolCall) -> str | Awaitable[str | None] | None:
        """None lets the tool be used; a text denies it and says why. One that fails or is late denies."""
        return None

    def after(self, call: ToolCall, result: ToolFinished) -> Awaitable[None] | None:
        """The tool gave its result, or failed."""
        return None

    def reported(self, call: ToolCall) -> Mapping[str, Any]:
        """The arguments as they may appear in traces and reports. Events to the session's own callbacks have all."""
        return call.arguments
