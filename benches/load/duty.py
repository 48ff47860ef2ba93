"""What everyone of a crowd says: a recorded sentence again and again, for his share of each period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from load.voiced_sound import CALLER_HZ, SENTENCE_S, recording, resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AHEAD_S", "PERIOD_S", "speech"]

PERIOD_S = 10.0
"""Everyone talks once in this time, for his share of it."""
AHEAD_S = 1.0
"""Said ahead by so much, so that who talks is never waited for."""


def speech(talk_share: int, rate_hz: int) -> NDArray[np.int16]:
    """What is said in a period, `talk_share` percent of it."""
    whole = resampled(recording(), CALLER_HZ, rate_hz)
    sentence = whole[round(SENTENCE_S[0] * rate_hz) : round(SENTENCE_S[1] * rate_hz)]
    return np.resize(sentence, round(PERIOD_S * talk_share / 100 * rate_hz))
