from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beluga_voice.simulation import timeline
from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.call_run import CallRecord
from beluga_voice.simulation.recorder import Recording
from beluga_voice.simulation.track import Track

CallOf = Callable[..., CallLog]
TURNS = [("tell me about the museum please", "Gladly! " * 20), ("are you open on sunday", "From ten."), ("", "")]


def track(sample_rate: int, seconds: float) -> Track:
    track = Track(sample_rate)
    noise = np.random.default_rng(0).normal(0, 500, round(sample_rate * seconds))
    track.put_at(0, noise.astype("<i2").tobytes())
    return track


def colours(path: Path) -> set[tuple[int, ...]]:
    import matplotlib.image

    picture = np.rint(255 * matplotlib.image.imread(path)[:, :, :3]).astype(int)
    return {tuple(int(value) for value in colour) for colour in np.unique(picture.reshape(-1, 3), axis=0)}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def draw(path: Path, log: CallLog, seconds: float = 22.0) -> None:
    timeline.save_timeline(path, log, track(16_000, seconds), track(24_000, seconds), title="A call")


def test_the_picture_is_1600_by_700_and_shows_both_voices_and_the_interruption(tmp_path: Path, call_of: CallOf) -> None:
    draw(tmp_path / "a.png", call_of(*TURNS, interrupted=1))
    assert struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24]) == (1600, 700)
    shown = colours(tmp_path / "a.png")
    assert {rgb(timeline._CALLER), rgb(timeline._AGENT), rgb(timeline._STOP), rgb(timeline._TOOL)} <= shown


@pytest.mark.parametrize("seconds", [0.0, 0.3, 30.0, 1_200.0])
def test_any_call_can_be_drawn(tmp_path: Path, call_of: CallOf, seconds: float) -> None:
    count = int(seconds // 3)
    log = call_of(*[("what about sunday", "On Sunday we are open from ten to five.")] * count, every_s=3.0)
    draw(tmp_path / "a.png", log, seconds)
    assert (tmp_path / "a.png").stat().st_size > 5_000


def test_no_word_runs_into_the_next_turn(call_of: CallOf) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 7), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)
    drawing = timeline._Drawing(figure, canvas.get_renderer(), 20.0)
    drawing.turns(call_of(*TURNS, interrupted=1, every_s=4.0))
    canvas.draw()
    heard = [text for text in drawing._axes.texts if text.get_text().startswith(("tell", "are you", "(nothing u"))]
    boxes = sorted((text.get_window_extent() for text in heard), key=lambda box: box.x0)
    assert len(boxes) == 3
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_without_matplotlib_no_old_picture_stays_beside_a_new_call(
    tmp_path: Path, call_of: CallOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(track(16_000, 1.0), track(24_000, 1.0), lost_samples=0)
    (tmp_path / "timeline.png").write_bytes(b"an older call's")
    monkeypatch.setattr(timeline, "can_draw", lambda: False)
    written = CallRecord(call_of(*TURNS), recording, {}).save(tmp_path, title="A call")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["call.wav", "report.json"]
    assert [path.name for path in written] == ["call.wav", "report.json"]
