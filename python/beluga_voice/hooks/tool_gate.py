"""The tool hook of one session at work."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from beluga_voice.commands import ToolFinished, ToolStarted
from beluga_voice.errors import ToolDeniedError
from beluga_voice.hooks.hook_calls import HookCalls, HookFailedError
from beluga_voice.hooks.tool_hook import ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beluga_voice.hooks.tool_hook import ToolHook

__all__ = ["ToolGate"]

_log = logging.getLogger("beluga_voice.hooks")


class ToolGate:
    """Asks the hook about each tool. `call_of` makes the call that it is asked about."""

    def __init__(self, hook: ToolHook, call_of: Callable[[ToolStarted], ToolCall], *, timeout_s: float) -> None:
        self._hook = hook
        self._call_of = call_of
        self._calls = HookCalls(timeout_s)

    async def before(self, started: ToolStarted) -> ToolDeniedError | None:
        """What is to be raised in the agent instead of using the tool; None lets it be used."""
        call = self._call_of(started)
        try:
            reason: str | None = await self._calls.ask(
                self._hook, "before", str | None, lambda: self._hook.before(call)
            )
        except HookFailedError as failed:
            reason = str(failed)
        if reason is None:
            return None
        return ToolDeniedError(f"the tool {started.name} was denied: {reason}", operation=started.name)

    async def after(self, started: ToolStarted, result: ToolFinished) -> None:
        """Tells of what became of it."""
        call = self._call_of(started)
        try:
            await self._calls.ask(self._hook, "after", object, lambda: self._hook.after(call, result))
        except HookFailedError as failed:
            _log.warning("%s", failed)

    def reported(self, started: ToolStarted) -> Mapping[str, Any]:
        """The arguments as reports may have them: none, where the hook fails to say."""
        try:
            return self._hook.reported(self._call_of(started))
        except Exception as error:
            _log.warning("%s.reported raised %s", type(self._hook).__name__, type(error).__name__)
            return {}
