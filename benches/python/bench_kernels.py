"""What each kernel of a tick costs, against its budget and, where there is one, against a rival.

Criterion times the Rust kernels (benches/kernels), pytest-benchmark the same as Python calls them, and
benches/rivals/rival_kernels.py takes turns with soxr and onnxruntime. Everything ends up in one kernels.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_result import QUICK, print_table, write_result
from rivals.environment import rival_python, silero_onnx

ROOT = Path(__file__).resolve().parents[2]
Row = dict[str, Any]

# criterion's name -> what one iteration of it is, how many of that it holds, budget in microseconds for one (design,
# section 7; None: it has none of its own), and what has to come before the budget can be met.
KERNELS: dict[str, tuple[str, int, float | None, str | None]] = {
    "resampler/48000_16000": ("10 ms", 1, 2.0, "SIMD resampler"),
    "resampler/16000_24000": ("10 ms", 1, None, None),
    "resampler/24000_48000": ("10 ms", 1, None, None),
    "dsp/gain": ("10 ms at 24 kHz", 2, None, None),
    "dsp/mix": ("10 ms at 24 kHz", 1, None, None),
    "dsp/fade": ("10 ms at 24 kHz", 1, None, None),
    "dsp/level": ("10 ms at 24 kHz", 1, None, None),
    "dsp/to_i16": ("10 ms at 24 kHz", 1, None, None),
    "vad/silero_1": ("window of 32 ms", 1, 20.0, "SIMD Silero"),
    "vad/silero_16": ("window of 32 ms", 16, 14.0, "SIMD Silero"),
    "vad/silero_32": ("window of 32 ms", 32, 14.0, "SIMD Silero"),
    "vad/energy": ("window of 32 ms", 1, None, None),
    "jitter/push": ("packet of 20 ms", 1, 2.0, None),
    "jitter/push_pull_pull": ("10 ms pulled, Opus", 2, 20.0, None),
    "door/push_pull_pull": ("10 ms to the 16 kHz ring, Opus", 2, 20.0, None),
    "out/speaking": ("10 ms to the caller, Opus", 2, None, None),
    "out/silent": ("10 ms to the caller, Opus", 2, None, None),
}
TICK_MEAN_US, TICK_P99_US = 1_000.0, 2_000.0
OPUS_FRAME_MS = 20


def main() -> None:
    measured = criterion()
    rows = kernel_rows(measured) + codec_rows(measured) + tick_rows() + python_rows()
    rivals = rival_rows()
    rows += vad_rows(measured) + rivals["rows"]
    print_table(rows)
    path = write_result("kernels", rows, versions=rivals["versions"])
    print(path)


def cargo_bench(*arguments: str, **environment: str) -> str:
    """What `cargo bench` prints, in the shared target directory and with nobody else building meanwhile."""
    command = [sys.executable, ROOT / "ci" / "cargo_gate.py", "cargo", "bench", "--quiet", "--locked",
               "--manifest-path", "benches/kernels/Cargo.toml", *arguments]  # fmt: skip
    # criterion tells its progress on stderr, ten lines a kernel: shown where something failed, and only there.
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cargo bench failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def criterion() -> dict[str, dict[str, float]]:
    """Name -> mean of an iteration and its 95 % interval, in microseconds."""
    names = [part for bench in ("dsp", "vad", "codec", "packets") for part in ("--bench", bench)]
    effort = ("0.3", "0.7", "20") if QUICK else ("1", "3", "60")
    with tempfile.TemporaryDirectory() as place:
        cargo_bench(
            *names, "--", "--noplot", "--quiet",
            "--warm-up-time", effort[0], "--measurement-time", effort[1], "--sample-size", effort[2],
            CRITERION_HOME=place,
        )  # fmt: skip
        found: dict[str, dict[str, float]] = {}
        for path in sorted(Path(place).rglob("new/estimates.json")):
            name = json.loads(path.with_name("benchmark.json").read_text())["full_id"]
            mean = json.loads(path.read_text())["mean"]
            interval = mean["confidence_interval"]
            found[name] = {
                "us_mean": mean["point_estimate"] / 1e3,
                "us_low": interval["lower_bound"] / 1e3,
                "us_high": interval["upper_bound"] / 1e3,
            }
    return found


def kernel_rows(measured: dict[str, dict[str, float]]) -> list[Row]:
    rows: list[Row] = []
    for name, (per, count, budget_us, waits_for) in KERNELS.items():
        one = {key: round(us / count, 3) for key, us in measured[name].items()}
        met = None if budget_us is None else one["us_mean"] <= budget_us
        rows.append(
            {"kind": "kernel", "kernel": name, "per": per, **one, "budget_us": budget_us, "met": met,
             "waits_for": waits_for if met is False else None}
        )  # fmt: skip
    return rows


def codec_rows(measured: dict[str, dict[str, float]]) -> list[Row]:
    rows: list[Row] = []
    for name in measured:
        if not name.startswith("codec/") or not name.endswith("/encode"):
            continue
        coded = name.split("/")[1]
        codec, rate_hz, complexity = [*coded.split("_"), "8000", ""][:3] if "_" not in coded else coded.split("_")
        rows.append(
            {
                "kind": "codecs",
                "who": "beluga-voice",
                "codec": codec,
                "rate_hz": int(rate_hz),
                "complexity": int(complexity) if complexity else None,
                "frame_ms": OPUS_FRAME_MS,
                "us_encode": round(measured[name]["us_mean"], 2),
                "us_decode": round(measured[name.replace("/encode", "/decode")]["us_mean"], 2),
                # G.711 is a table: rust/codec/tests/g711.rs holds every entry to the recommendation.
                "exact": codec != "opus" or None,
            }
        )
    return rows


def vad_rows(measured: dict[str, dict[str, float]]) -> list[Row]:
    """Silero in Rust, as a shard runs it; how right it is rivals' rows say."""
    rows: list[Row] = []
    for batch in (1, 16, 32):
        us = measured[f"vad/silero_{batch}"]["us_mean"] / batch
        rows.append(
            {
                "kind": "vad",
                "who": "beluga-voice, in Rust",
                "batch": batch,
                "us_per_window": round(us, 2),
                "streams_per_core": round(32_000 / us),
                **dict.fromkeys(
                    ("max_abs_diff", "auc", "p_at_r85", "p_at_r90", "p_at_r95", "onset_ms", "offset_ms", "ratio")
                ),
            }
        )
    return rows


def tick_rows() -> list[Row]:
    lines = cargo_bench("--bench", "tick").splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return [
        {
            "kind": "tick",
            **row,
            "budget_us_mean": TICK_MEAN_US,
            "budget_us_p99": TICK_P99_US,
            "met": row["us_mean"] <= TICK_MEAN_US and row["us_p99"] <= TICK_P99_US,
        }
        for row in rows
    ]


def python_rows() -> list[Row]:
    """The same through Python: what a user of `beluga_voice.audio` pays. Low and high are quartiles of single calls."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        effort = ["--benchmark-max-time=0.2"] if QUICK else []
        command = [sys.executable, "-m", "pytest", "-q", "benches/python/kernels_from_python.py",
                   f"--benchmark-json={report}", "--benchmark-disable-gc", *effort]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"pytest-benchmark failed:\n{done.stdout}{done.stderr}")
        found = json.loads(report.read_text())["benchmarks"]
    return [
        {
            "kind": "kernel",
            "kernel": f"python/{bench['name'].removeprefix('test_')}",
            "per": "call",
            "us_mean": round(bench["stats"]["mean"] * 1e6, 3),
            "us_low": round(bench["stats"]["q1"] * 1e6, 3),
            "us_high": round(bench["stats"]["q3"] * 1e6, 3),
            "budget_us": None,
            "met": None,
            "waits_for": None,
        }
        for bench in found
    ]


def rival_rows() -> dict[str, Any]:
    weights = ROOT / "python" / "beluga_voice" / "_models" / "silero_vad_16k.safetensors"
    command = [rival_python(), ROOT / "benches" / "rivals" / "rival_kernels.py", silero_onnx(), weights,
               "5" if QUICK else "25"]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
