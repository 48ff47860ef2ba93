"""Silero's voice activity detector, which runs in the engine: here it only has a name and options."""

from __future__ import annotations

from typing import ClassVar

from beluga_voice.config import VadOptions

__all__ = ["Silero"]


class Silero:
    """Silero VAD (16 kHz), computed by the engine for all sessions at once. `options` is what the engine is told."""

    Options: ClassVar[type[VadOptions]] = VadOptions

    def __init__(self, options: VadOptions) -> None:
        self.options = options
