"""Every published result has the form that anyone can recompute a claim from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bench_result


def test_what_is_published_has_the_form() -> None:
    for path in sorted(bench_result.PUBLISHED.glob("*.json")):
        result = json.loads(path.read_text())
        assert bench_result.faults(result) == [], path.name
        assert (result["name"], result["mode"]) == (path.stem, "full")


def share_row(**changes: object) -> dict[str, object]:
    keys = bench_result.ROW_KEYS["share"]
    return {**dict.fromkeys(keys), **changes}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bench_result, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def test_what_is_written_has_the_form(results: Path) -> None:
    path = bench_result.write_result("share", [share_row(stage="tick", sessions=100)], versions={"soxr": "1"})
    written = json.loads(path.read_text())
    assert path == results / "share.json"
    assert written["command"] == "make bench-share"
    assert written["versions"]["soxr"] == "1"
    assert bench_result.faults(written) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([], "no rows"),
        ([{"stage": "tick"}], r"row 0 \(share\) has no n, p50_ms"),
        ([{"kind": "vad", "who": "us"}], r"row 0 \(vad\) has no auc"),
    ],
)
def test_what_has_not_the_form_is_not_written(results: Path, rows: list[dict[str, object]], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        bench_result.write_result("share", rows)
    assert not results.exists()


def test_rows_of_one_form_are_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"kind": "a", "us": 1.23456, "never": None}, {"kind": "b", "us": None, "never": None}, {"other": 5}]
    bench_result.print_table(rows)
    out = capsys.readouterr().out
    assert out.count("kind") == 1
    assert "1.235" in out
    assert "never" not in out
    assert "other" in out
