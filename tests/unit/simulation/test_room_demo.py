from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beluga_voice import _core
from beluga_voice.clock import now
from beluga_voice.events import UserStateChanged
from beluga_voice.simulation import room_demo
from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.call_run import CallRecord
from beluga_voice.simulation.recorder import Recording
from beluga_voice.simulation.scripted_caller import SpokenLine
from beluga_voice.simulation.track import Track

HZ = 24_000


class FakeCaller:
    """Said a click at 0.2 s of his recording, received one at 0.3 s."""

    def __init__(self, began_at_s: float) -> None:
        both = np.zeros((HZ, 2), np.int16)
        both[round(0.2 * HZ), 0] = both[round(0.3 * HZ), 1] = 20_000
        self.recording = _core.write_wav(both.tobytes(), sample_rate=HZ, channels=2)
        self.began_at_s = began_at_s
        self.spoken = [SpokenLine("Hello?", 0.2, 0.25, over_agent=False)]
        self.outcome = "done"
        self.lost_samples = 7


def click_s(track: Track) -> float:
    return int(np.argmax(np.frombuffer(track.pcm, np.int16))) / track.sample_rate


@pytest.mark.parametrize("late_s", [0.5, 0.0, -0.1])
def test_the_callers_recording_and_his_account_are_moved_to_the_sessions_axis(late_s: float) -> None:
    caller: Any = FakeCaller(began_at_s=100.0 + late_s)
    record = CallRecord(CallLog(), Recording(Track(16_000), Track(HZ), lost_samples=3), {"ticks": 5})
    moved, account = room_demo._as_the_caller_has_it(record, caller, 100.0)
    assert click_s(moved.recording.caller) == pytest.approx(0.2 + late_s)
    assert click_s(moved.recording.agent) == pytest.approx(0.3 + late_s)
    assert account.outcome == "done"
    assert (account.spoken[0].onset_s, account.spoken[0].end_s) == pytest.approx((0.2 + late_s, 0.25 + late_s))
    assert moved.counters == {"ticks": 5, "caller_lost_samples": 7}
    assert moved.recording.lost_samples == 3


def test_the_promptest_event_says_where_the_axis_begins() -> None:
    seen: list[float] = []

    class View:
        def take(self, event: Any, log: CallLog) -> None:
            seen.append(event.at_s)

    axis = room_demo._SessionAxis(View())
    began_s = now() - 5.0
    for at_s in (4.0, 5.0, 2.0):  # told late by 1 s, at once, late by 3 s
        axis.take(UserStateChanged(at_s=at_s, old_state="listening", new_state="speaking"), CallLog())
    assert axis.starts_at_s == pytest.approx(began_s, abs=0.05)
    assert seen == [4.0, 5.0, 2.0]
