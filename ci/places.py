"""Where things are: the checkout, and the cache that every checkout on this machine shares."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PACKAGE = ROOT / "python" / "beluga_voice"
RESULTS = ROOT / "benches" / "results"


def cache_dir() -> Path:
    """The stable place outside the checkout: compiled crates, cargo tools, built wheels."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "beluga-voice"


def cargo_target_dir() -> Path:
    """`CARGO_TARGET_DIR` where it is set, else the shared one."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or cache_dir() / "target")


def bench_environment() -> dict[str, str]:
    """The environment of benchmarks and proofs: they import what lies in benches/, and `support` of the tests."""
    paths = [str(ROOT / "benches"), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def cargo_home() -> Path:
    """Where cargo keeps the sources of crates."""
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
