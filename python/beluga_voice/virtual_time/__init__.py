"""Calls on a clock that does not wait: replays of recordings, and tests (`beluga_voice.testing` has it all)."""

from __future__ import annotations

from beluga_voice.virtual_time.charges import Charge, FixedTimes, MeasuredTimes, RecordedTimes
from beluga_voice.virtual_time.loop import VirtualLoop, run

__all__ = ["Charge", "FixedTimes", "MeasuredTimes", "RecordedTimes", "VirtualLoop", "run"]
