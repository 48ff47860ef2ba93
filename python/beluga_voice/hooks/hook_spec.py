"""How a hook is said in a configuration."""

from __future__ import annotations

from typing import Any, cast

from beluga_voice.registry import import_object

__all__ = ["made_hook"]


def made_hook(spec: object, base: type[Any]) -> Any:
    """The hook that `spec` stands for: an instance, a class that takes no arguments, or "module:Class" of one.

    Raises ValueError saying what is allowed.
    """
    allowed = f"allowed: an instance of {base.__name__}, its class, or 'module:Class'"
    if isinstance(spec, str):
        try:
            spec = import_object(spec)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f"{allowed}; {error}") from None
    if isinstance(spec, type):
        try:
            spec = cast("type[object]", spec)()
        except Exception as error:
            raise ValueError(f"{allowed}; making one without arguments raised {type(error).__name__}") from None
    if not isinstance(spec, base):
        raise ValueError(f"{allowed}, and not a {type(spec).__name__}")
    return spec
