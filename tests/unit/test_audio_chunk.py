from __future__ import annotations

import numpy as np
import pytest

from beluga_voice import AudioChunk


def test_it_knows_its_samples_and_times() -> None:
    chunk = AudioChunk(np.array([1, -2, 300], dtype="<i2").tobytes(), 16000, start_s=1.5)
    assert chunk.samples.tolist() == [1, -2, 300]
    assert chunk.samples.dtype == np.int16
    assert len(chunk) == 3
    assert chunk.duration_s == 3 / 16000
    assert chunk.end_s == 1.5 + 3 / 16000


def test_half_a_sample_and_no_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="an even number"):
        AudioChunk(b"\0", 16000)
    with pytest.raises(ValueError, match="above 0 Hz"):
        AudioChunk(b"", 0)
