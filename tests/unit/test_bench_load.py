"""What the load benchmarks and proofs judge by: labels of the caller's sound, what is kept to, what is growth."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import bench_share
import numpy as np
import prove_open_close
import pytest

from load.bench_livekit_transport import median_row
from load.feeder import Caller, Feeder
from load.prove_traffic_rules import broken
from load.share_call import OPUS_OUT, Script
from load.share_run import hold
from load.voiced_sound import CALLER_HZ, STRETCHES_S, Saying, saying


def sound_of(spoken: Saying) -> Any:
    return np.frombuffer(b"".join(spoken.frames), np.int16).astype(float)


@pytest.mark.parametrize("stretch_s", STRETCHES_S)
def test_the_labels_of_a_voice_are_where_it_is(stretch_s: tuple[float, float]) -> None:
    spoken = saying(stretch_s, period_s=1.0, before_s=0.4, seed=1)
    sound = sound_of(spoken)
    first, last = round(spoken.first_s * CALLER_HZ), round(spoken.last_s * CALLER_HZ)
    assert len(sound) == CALLER_HZ
    assert (last + 1 - first) / CALLER_HZ == pytest.approx(stretch_s[1] - stretch_s[0], abs=1e-3)
    room = np.abs(sound[:first]).max()
    assert np.abs(sound[last + 1 :]).max() <= room * 1.01
    # Loud up to its very ends, but for the edges of 6 ms.
    for at in (slice(first, first + 240), slice(last - 240, last + 1)):
        assert np.sqrt((sound[at] ** 2).mean()) > 3 * room


def test_a_voice_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        saying((0.5, 1.5), period_s=1.0, before_s=0.4, seed=1)


def test_a_caller_is_fed_in_order_and_says_when_it_spoke() -> None:
    heard: list[bytes] = []
    spoken = saying(STRETCHES_S[0], period_s=0.6, before_s=0.05, seed=1)
    enough = threading.Event()

    def write(frame: bytes) -> int:
        heard.append(frame)
        if len(heard) == 150:
            enough.set()
        return 160

    began = time.monotonic()
    caller = Caller(write, (spoken,), seed=3)
    feeder = Feeder([caller], each_frame=lambda: None)
    feeder.start()
    assert enough.wait(20)
    feeder.stop()
    ended = time.monotonic()
    assert heard == [spoken.frames[at % 60] for at in range(len(heard))]
    assert [voiced.number for voiced in caller.voiced[:2]] == [0, 1]
    for voiced in caller.voiced[:2]:
        assert voiced.last_s - voiced.first_s == pytest.approx(spoken.last_s - spoken.first_s)
        assert began < voiced.first_s < voiced.last_s < ended
    assert caller.dropped_frames == 0


def test_every_stage_of_a_run_is_measured() -> None:
    script = Script(stretches_s=STRETCHES_S, period_s=1.0, answer_ms=250, long_answer_ms=3_000)
    run = asyncio.run(hold(2, script, 4.0))
    rows = {row["stage"]: row for row in bench_share.run_rows(run)}
    assert set(rows) == set(bench_share.BUDGETS)
    for stage, row in rows.items():
        assert row["n"] > 0, stage
        assert row["talk_share"] == 41


def test_sound_that_goes_out_by_packets_is_measured_once_an_answer() -> None:
    script = Script(stretches_s=STRETCHES_S, period_s=1.0, answer_ms=250, long_answer_ms=250)
    run = asyncio.run(hold(2, script, 4.0, output_codec="opus"))
    measured = run.samples[OPUS_OUT]
    assert len(run.samples["tts_to_out"]) - 2 <= len(measured) <= len(run.samples["tts_to_out"]) + 2
    assert len(measured) >= 4
    assert min(measured) > 0.0
    assert bench_share.row(OPUS_OUT, run, measured)["budget"] == "p99 25"


def test_a_budget_is_judged_only_where_enough_was_measured() -> None:
    figures = {"p50_ms": 20.0, "p95_ms": 40.0, "p99_ms": 50.0}
    assert bench_share.met("mic_to_agent", 100, figures, 1_000) is True
    assert bench_share.met("mic_to_agent", 100, figures, 999) is None
    assert bench_share.met("mic_to_agent", 10, figures, 1_000) is None
    assert bench_share.met("mic_to_agent", 100, figures | {"p50_ms": 31.0}, 10) is False
    assert bench_share.met("mic_to_agent", 100, figures | {"p99_ms": 61.0}, 1_000) is False
    assert bench_share.met("tick", 100, figures, 1_000) is None


def rounds(**growing: float) -> list[dict[str, Any]]:
    """Twenty rounds of 500 sessions; what grows does so by that much a session."""
    flat = {"pss_kb": 50_000, "objects": 40_000, "threads": 3, "descriptors": 8, "tasks": 1, "held_at_most": 100}
    return [
        {"sessions": sessions} | {key: value + growing.get(key, 0) * sessions for key, value in flat.items()}
        for sessions in range(500, 10_001, 500)
    ]


def test_what_is_flat_passes_and_one_odd_round_does_not_bend_it() -> None:
    rows = rounds()
    rows[12]["pss_kb"] += 20_000
    figures, grown = prove_open_close.verdicts(rows)
    assert grown == []
    assert figures["pss_kb_per_session"] == 0


@pytest.mark.parametrize(
    ("key", "each"), [("pss_kb", 2.0), ("objects", 1.0), ("threads", 0.002), ("descriptors", 0.002), ("tasks", 0.002)]
)
def test_whatever_grows_is_named(key: str, each: float) -> None:
    _, grown = prove_open_close.verdicts(rounds(**{key: each}))
    assert len(grown) == 1
    assert key in grown[0]


def transport_row(cpu_pct: float, *, saturated: bool = False) -> dict[str, Any]:
    return {"cpu_pct_per_room": cpu_pct, "saturated": saturated}


def test_a_saturated_repeat_counts_only_where_there_is_no_other() -> None:
    rows = [transport_row(9.0), transport_row(3.0, saturated=True), transport_row(8.0), transport_row(10.0)]
    middle = median_row(rows)
    assert (middle["cpu_pct_per_room"], middle["saturated"], middle["repeats"]) == (9.0, False, 4)
    assert (middle["cpu_pct_min"], middle["cpu_pct_max"]) == (8.0, 10.0)
    assert median_row([transport_row(3.0, saturated=True)])["saturated"]


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({}, []),
        ({"poor_or_lost": 1}, ["POOR or LOST was told"]),
        ({"qualities_unknown": 1}, ["a quality was told that is not known"]),
        ({"qualities_told": 0}, ["no quality was told"]),
    ],
)
def test_a_proof_of_what_is_sent_in_silence_wants_to_be_told_of_good_connections(
    told: dict[str, int], wrong: list[str]
) -> None:
    heard = {"said": 1, "heard": 1, "front_db_p50": 0.0, "front_db_p10": 0.0}
    qualities = {"qualities_told": 4, "qualities_unknown": 0, "poor_or_lost": 0}
    row = {"network": "lossy", "listener": "sdk", "who": "never_silent", **heard, **qualities, **told}
    assert broken([row]) == [f"never_silent at sdk, lossy: {rule}" for rule in wrong]
