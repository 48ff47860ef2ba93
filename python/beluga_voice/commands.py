"""What an agent can do besides speaking: yielded between its text, in the order in which it is to happen.

`to_dict` and `command_from_dict` carry them between processes; `type` tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Command", "EndCall", "Say", "TokensUsed", "ToolFinished", "ToolStarted", "command_from_dict"]


class _Tagged:
    """The half of each command that goes over the wire."""

    __slots__ = ()

    type: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it, with `type`."""
        values = {each.name: getattr(self, each.name) for each in fields(cast("Any", self))}
        return {"type": self.type, **values}


@dataclass(frozen=True, slots=True)
class ToolStarted(_Tagged):
    """The agent uses a tool. `call_id` joins it to its `ToolFinished`; `arguments` is JSON-able."""

    type: ClassVar[str] = "tool_started"
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolFinished(_Tagged):
    """The tool gave its result (JSON-able), or failed with `error`."""

    type: ClassVar[str] = "tool_finished"
    name: str
    result: Any = None
    error: str | None = None
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Say(_Tagged):
    """Text to be spoken under a rule of its own: whether the caller may talk over it."""

    type: ClassVar[str] = "say"
    text: str
    allow_interruptions: bool = True


@dataclass(frozen=True, slots=True)
class EndCall(_Tagged):
    """The call is over once what was said before has been spoken."""

    type: ClassVar[str] = "end_call"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TokensUsed(_Tagged):
    """What a model took for this answer: for `session.usage()`, metrics and traces. It counts as soon as it is yielded.

    `input_cached_tokens` are part of `input_tokens`. `provider` and `model` as prices name them: "openai",
    "gpt-5-mini".
    """

    type: ClassVar[str] = "tokens_used"
    input_tokens: int = 0
    output_tokens: int = 0
    input_cached_tokens: int = 0
    model: str = ""
    provider: str = ""


Command = ToolStarted | ToolFinished | Say | EndCall | TokensUsed

COMMANDS: tuple[type[Command], ...] = (ToolStarted, ToolFinished, Say, EndCall, TokensUsed)
_BY_TYPE: dict[str, type[Command]] = {command.type: command for command in COMMANDS}


def command_from_dict(values: Mapping[str, Any]) -> Command:
    """The command that `to_dict` described. Raises ValueError for an unknown `type`, TypeError for unknown fields."""
    named = dict(values)
    tag = named.pop("type", None)
    command = _BY_TYPE.get(tag) if isinstance(tag, str) else None
    if command is None:
        raise ValueError(f"type = {tag!r}: allowed: {', '.join(sorted(_BY_TYPE))}")
    return command(**named)
