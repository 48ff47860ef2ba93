from __future__ import annotations

import numpy as np
import pytest

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.simulation.track import Track


def pcm(*samples: int) -> bytes:
    return np.array(samples, dtype="<i2").tobytes()


def test_a_chunk_lies_where_it_was_heard_and_what_is_missing_is_silence() -> None:
    track = Track(16_000)
    track.put(AudioChunk(pcm(1, 2), 16_000, 0.0))
    track.put(AudioChunk(pcm(5, 6), 16_000, 4 / 16_000))
    assert track.pcm == pcm(1, 2, 0, 0, 5, 6)
    assert len(track) == 6
    assert track.duration_s == 6 / 16_000


def test_hours_into_a_call_it_is_still_the_right_sample() -> None:
    track = Track(24_000)
    at = 24_000 * 40 + 7
    track.put(AudioChunk(pcm(9), 24_000, at / 24_000))
    assert track.pcm[2 * at :] == pcm(9)


def test_sound_at_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: 16000"):
        Track(16_000).put(AudioChunk(pcm(1), 24_000))
