"""Speech by level alone, computed by the engine: here it only has a name and options."""

from __future__ import annotations

from typing import ClassVar

from beluga_voice.config import VadOptions

__all__ = ["Energy"]


class Energy:
    """Level over an adaptive noise floor: needs no model, and takes any loud sound for speech."""

    Options: ClassVar[type[VadOptions]] = VadOptions

    def __init__(self, options: VadOptions) -> None:
        self.options = options
