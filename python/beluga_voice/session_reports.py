"""What of a session's words may leave the process, by its `redaction` and its `tool_hook`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.commands import ToolStarted
    from beluga_voice.config import SessionParts
    from beluga_voice.hooks.redaction import OutgoingWords
    from beluga_voice.hooks.redactor import Redactor
    from beluga_voice.hooks.tool_gate import ToolGate
    from beluga_voice.hooks.tool_hook import ToolCall

__all__ = ["SessionReports"]


class SessionReports:
    """Of one session. `call_of` tells what a `tool_hook` is asked about."""

    def __init__(self, parts: SessionParts, call_of: Callable[[ToolStarted], ToolCall]) -> None:
        self.redactor: Redactor | None = None
        """Takes out of a text what may not leave; None: all of it may."""
        self.outgoing: OutgoingWords | None = None
        """The same for a transcript that is shown while it is spoken, where that is asked for."""
        self.tools: ToolGate | None = None
        """Asks the hook, where there is one."""
        if parts.redaction is not None:
            from beluga_voice.hooks.redaction import OutgoingWords

            self.redactor = parts.redaction.made()
            self.outgoing = OutgoingWords(self.redactor) if parts.redaction.transcription else None
        if parts.tool_hook is not None:
            from beluga_voice.hooks.tool_gate import ToolGate

            self.tools = ToolGate(parts.tool_hook, call_of, timeout_s=parts.hook_timeout)

    def redacted(self, text: str) -> str:
        """`text` as it may leave the process."""
        return self.redactor.redact(text) if self.redactor is not None else text

    def arguments(self, started: ToolStarted) -> Mapping[str, Any]:
        """Those of a tool as they may leave the process: by the hook, then by redaction."""
        arguments = self.tools.reported(started) if self.tools is not None else started.arguments
        return {name: self._redacted_in(value) for name, value in arguments.items()}

    def _redacted_in(self, value: object) -> Any:
        if isinstance(value, str):
            return self.redacted(value)
        if isinstance(value, Mapping):
            return {name: self._redacted_in(each) for name, each in cast("Mapping[str, object]", value).items()}
        if isinstance(value, (list, tuple)):
            return [self._redacted_in(each) for each in cast("Sequence[object]", value)]
        return value
