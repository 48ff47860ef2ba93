"""What a voice agent is tested with: virtual time, fakes that speak and understand, callers with a script.

Nothing here is imported by the package itself, except for `beluga-voice simulate`, which replays on virtual time.
"""

from __future__ import annotations

from beluga_voice.clock import in_flight
from beluga_voice.testing.charges import Charge, FixedTimes, MeasuredTimes, RecordedTimes
from beluga_voice.testing.virtual_loop import VirtualLoop, run

__all__ = [
    "Charge",
    "FixedTimes",
    "MeasuredTimes",
    "RecordedTimes",
    "VirtualLoop",
    "in_flight",
    "run",
]
