"""What everyone of a crowd says: a recorded sentence again and again, for his share of each period."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beluga_voice import _core
from load.voiced_sound import RECORDING, SENTENCE_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AHEAD_S", "PERIOD_S", "speech"]

PERIOD_S = 10.0
"""Everyone talks once in this time, for his share of it."""
AHEAD_S = 1.0
"""Said ahead by so much, so that who talks is never waited for."""


def speech(talk_share: int, rate_hz: int) -> NDArray[np.int16]:
    """What is said in a period, `talk_share` percent of it."""
    pcm, recorded_hz, _ = _core.read_wav(Path(RECORDING).read_bytes())
    resampler = _core.Resampler(recorded_hz, rate_hz)
    whole = np.frombuffer(resampler.process(pcm) + resampler.flush(), np.int16)
    sentence = whole[round(SENTENCE_S[0] * rate_hz) : round(SENTENCE_S[1] * rate_hz)]
    return np.resize(sentence, round(PERIOD_S * talk_share / 100 * rate_hz))
