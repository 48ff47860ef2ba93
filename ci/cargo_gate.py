"""Runs a command that calls cargo, in the target directory that all checkouts on this machine share.

    python ci/cargo_gate.py cargo test --workspace

Cargo names a workspace's artefacts the same in every checkout and asks only file times whether they are fresh, so a
checkout whose files are older than another one's build would be handed that other one's code. The gate therefore
keeps a record of what was built last: a source whose content differs from it is given a new time, and so are all of
them when the checkout is another one (tests bake its path in). Crates from the registry stay shared and are not
built again. One build runs at a time, or the several of one holder of the gate in a target directory each.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import content_hash
from places import ROOT, cargo_target_dir


def run(command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> int:
    """Runs the command from the root of the checkout and returns its exit code."""
    with held():
        return start(command, env=env).wait()


@contextmanager
def held() -> Iterator[None]:
    """Keeps other builds out; what is started within is built from the files as they are."""
    target = cargo_target_dir()
    target.mkdir(parents=True, exist_ok=True)
    with (target / "beluga-voice.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another build in", target, file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        _freshen(target / "beluga-voice-sources.json")
        yield


def start(command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts the command from the root of the checkout, for whoever holds the gate."""
    merged = os.environ | {"CARGO_TARGET_DIR": str(cargo_target_dir())} | (env or {})
    return subprocess.Popen([str(part) for part in command], cwd=ROOT, env=merged)


def _freshen(record: Path) -> None:
    sources = content_hash.files_below(
        ROOT / "rust",
        ROOT / "ci" / "fuzz",
        ROOT / "benches" / "kernels",
        ROOT / "benches" / "scale",
        ROOT / "Cargo.toml",
        ROOT / "Cargo.lock",
    )
    now = {str(path.relative_to(ROOT)): content_hash.of_file(path) for path in sources}
    before = json.loads(record.read_text()) if record.exists() else {}
    built = before.get("files", {}) if before.get("root") == str(ROOT) else {}
    for name, digest in now.items():
        if built.get(name) != digest:
            (ROOT / name).touch()
    # Written before the build: one that is cut short has touched its files already.
    record.write_text(json.dumps({"root": str(ROOT), "files": now}, indent=1))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
