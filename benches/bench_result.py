"""The one form in which every benchmark leaves its figures (design, section 10).

    write_result("share", rows)        benches/results/share.json
    print_table(rows)                  the same for eyes
    write_proof_rows(rows)             a proof's, into its own result

A row may have more keys than its kind asks for; what was not measured is None.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["PUBLISHED", "QUICK", "ROOT", "ROW_KEYS", "faults", "print_table", "write_proof_rows", "write_result"]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results"
PUBLISHED = ROOT / "benches" / "published"
QUICK = os.environ.get("QUICK") == "1"
"""Few counts: every row is kept, none proves a budget."""

KEYS = ("name", "commit", "machine", "versions", "command", "mode", "rows")

_LOAD = "p50_ms p95_ms p99_ms cpu_pct_per_call pss_mb_per_call word_error gaps caller_late_ms_p99 saturated"
ROW_KEYS: dict[str, frozenset[str]] = {
    kind: frozenset(keys.split())
    for kind, keys in {
        "livekit_transport": "who sdk_version rooms direction talk_share codec_rate_hz complexity caller_silence "
        "cpu_pct_per_room pss_mb_per_room frames_lost tick_late_ms_p99 caller_late_ms_p99 saturated",
        "share": "stage sessions talk_share n p50_ms p95_ms p99_ms us_mean",
        "resampler": "who in_hz out_hz chunk_ms us_per_chunk hold_back_ms_median hold_back_ms_max snr_db alias_db "
        "ripple_db",
        "vad": "who batch us_per_window streams_per_core max_abs_diff auc p_at_r85 p_at_r90 p_at_r95 onset_ms "
        "offset_ms",
        "jitter": "who network mean_delay_ms p95_delay_ms late_pct concealed_pct plcmos n",
        "codecs": "who codec rate_hz us_encode us_decode exact",
        "bad_network": "who network direction plcmos word_error mouth_to_ear_ms_p50 mouth_to_ear_ms_p95 gaps n",
        "agents": f"who setting calls turns good_pct lost {_LOAD}",
        "soak": "who minutes calls pss_mb threads fds",
        "scale": "sessions talk_share us_per_session_tick pss_mb times_real_time",
        "turn_taking": "detector set setting false_cutoff_pct delay_ms_mean delay_ms_p50 delay_ms_p95 n",
        "barge_in": "who where n p50_ms p95_ms",
        "kernel": "kernel per us_mean us_low us_high budget_us met waits_for",
        "hooks": "what n us_off us_on us_added ratio",
        "tick": "sessions in_hz vad n us_mean us_p50 us_p95 us_p99 us_max",
        "telemetry": "way calls call_s n cpu_us_per_call_s added_us_per_call_s ratio ratio_low ratio_high",
    }.items()
}
"""What a row of each kind has at least. A row that says its own `kind` is of that one, another of its file's name."""


def write_result(name: str, rows: list[dict[str, Any]], *, versions: Mapping[str, str] | None = None) -> Path:
    """Writes benches/results/NAME.json and returns its path. `versions`: of rivals and of what else matters."""
    result = {
        "name": name,
        "commit": _said("git", "rev-parse", "HEAD"),
        "machine": {"system": platform.platform(), "cpu": _cpu(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version(), "rustc": _said("rustc", "-V"), **(versions or {})},
        "command": f"make bench-{name.replace('_', '-')}",
        "mode": "quick" if QUICK else "full",
        "rows": rows,
    }
    if found := faults(result):
        raise ValueError("; ".join(found))
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")
    return path


def write_proof_rows(rows: list[dict[str, Any]]) -> None:
    """Leaves what a proof measured where `ci/prove.py` looks for it; run by hand, a proof has only said it."""
    if place := os.environ.get("PROOF_ROWS"):
        Path(place).write_text(json.dumps(rows))


def faults(result: Mapping[str, Any]) -> list[str]:
    """What is wrong with a result's form."""
    missing = [key for key in KEYS if key not in result]
    if missing:
        return [f"no {', '.join(missing)}"]
    found = [f"mode is {result['mode']!r}"] if result["mode"] not in {"quick", "full"} else []
    if not result["rows"]:
        found.append("no rows")
    for number, row in enumerate(result["rows"]):
        kind = row.get("kind", result["name"])
        lacking = ROW_KEYS.get(kind, frozenset()) - set(row)
        if lacking:
            found.append(f"row {number} ({kind}) has no {', '.join(sorted(lacking))}")
    return found


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of the same keys stand in one table; columns that are empty throughout are left out."""
    from rich.console import Console
    from rich.table import Table

    # In a file or a pipe a line may be as long as it has to be.
    console = Console(width=None if sys.stdout.isatty() else 240, markup=False)
    for group in _alike(rows):
        table = Table()
        columns = [key for key in group[0] if any(row[key] is not None for row in group)]
        for key in columns:
            table.add_column(key, justify="right" if isinstance(group[0][key], int | float) else "left")
        for row in group:
            table.add_row(*(_shown(row[key]) for key in columns))
        console.print(table)


def _alike(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return list(groups.values())


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _cpu() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # no Linux
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), None)
