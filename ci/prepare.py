"""Makes this checkout ready to run: system packages, .venv, models, the extension, lint tools, the fuzzer, servers,
a browser.

    python3.11 ci/prepare.py venv models extension tools fuzzer livekit servers chromium browser

Every step compares a hash of its inputs with the one of the last time and does nothing when they agree.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import cargo_gate
import content_hash
from places import PACKAGE, ROOT, VENV, cache_dir

# command -> Debian package that brings it
SYSTEM_COMMANDS = {"cc": "build-essential", "make": "build-essential", "cmake": "cmake"}
EXTRAS = ("local", "plots", "livekit", "redis", "telemetry", "dashboard")
CARGO_DENY = "0.20.2"
CARGO_FUZZ = "0.13.2"
# The newest that `go install` takes as it is: later ones have replace directives in their go.mod.
LIVEKIT_SERVER = "v1.11.0"
LIVEKIT_CLIENT = "2.23.0"
PYTHON = VENV / "bin" / "python"


def system() -> None:
    """Compilers by apt where that is allowed; otherwise says what to install."""
    if sys.version_info < (3, 11):  # noqa: UP036 (whatever `python3` is runs this)
        sys.exit("Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")
    if not shutil.which("cargo"):
        sys.exit(
            "cargo is not on PATH: install a Rust toolchain (Cargo.toml, rust-version, says the oldest that works)."
        )
    packages = sorted({package for command, package in SYSTEM_COMMANDS.items() if not shutil.which(command)})
    if packages:
        _install_by_apt(*packages)


def requirements() -> list[str]:
    """What the package, its extras and the developers' tools need, as pip's requirement lines."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    lines = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    return lines + [line for extra in EXTRAS for line in extras[extra]]


def venv() -> None:
    """.venv with every dependency at the version of ci/constraints.txt, and without the package itself."""
    wanted = requirements()
    key = content_hash.of_files([ROOT / "ci" / "constraints.txt"], sys.version, str(ROOT), *wanted)
    stamp = VENV / "prepared-dependencies"
    if stamp.exists() and stamp.read_text() == key and PYTHON.exists():
        return
    _say("creating .venv")
    _run(sys.executable, "-m", "venv", "--clear", VENV)
    install(PYTHON, wanted)
    stamp.write_text(key)


def install(python: Path, wanted: list[str]) -> None:
    """pip install of the requirement lines into the environment of `python`, held to ci/constraints.txt."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(wanted))
        file.flush()
        _run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
             "-c", ROOT / "ci" / "constraints.txt", "-r", file.name)  # fmt: skip


def models() -> None:
    """Weights into python/beluga_voice/_models (the script checks their sha256 and fetches only what is missing)."""
    _run(PYTHON, ROOT / "ci" / "fetch_models.py")


def extension() -> None:
    """beluga_voice._core in release mode beside its sources, and the package installed editable."""
    built = PACKAGE / "_core.abi3.so"
    rustc = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    sources = content_hash.files_below(ROOT / "rust", ROOT / "Cargo.toml", ROOT / "Cargo.lock", ROOT / "pyproject.toml")
    key = content_hash.of_files(sources, rustc, os.environ.get("RUSTFLAGS", ""))
    stamp = VENV / "prepared-extension"
    if stamp.exists() and built.exists() and json.loads(stamp.read_text()) == [key, content_hash.of_file(built)]:
        return
    _say("building the extension")
    # By pip and not `maturin develop`, which installs dependencies on its own, past ci/constraints.txt.
    editable = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
                "--no-build-isolation", "--editable", ROOT]  # fmt: skip
    paths = os.pathsep.join([str(VENV / "bin"), os.environ["PATH"]])
    if cargo_gate.run(editable, env={"PATH": paths}):
        sys.exit("the extension does not build")
    stamp.write_text(json.dumps([key, content_hash.of_file(built)]))


def shipped() -> None:
    """What this machine loads of the wheel in the place of that one: what ships is what benchmarks measure."""
    built = PACKAGE / "_core.abi3.so"
    if not (VENV / "prepared-extension").exists():
        extension()  # which installs the package
    with tempfile.TemporaryDirectory() as place:
        _run(PYTHON, ROOT / "ci" / "wheel.py", "--out", place)
        (wheel,) = Path(place).glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            files.extractall(place)
        code = "from beluga_voice import _core; print(_core.__file__)"
        loaded = subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True, cwd=place).stdout
        ships = Path(loaded.strip()).read_bytes()
    if not built.exists() or built.read_bytes() != ships:
        new = built.with_suffix(".new")
        new.write_bytes(ships)
        new.chmod(0o755)
        new.replace(built)


def cargo_deny() -> Path:
    """Where this version of cargo-deny is kept, for all checkouts."""
    return _tool("cargo-deny", CARGO_DENY)


def cargo_fuzz() -> Path:
    """Where this version of cargo-fuzz is kept, for all checkouts."""
    return _tool("cargo-fuzz", CARGO_FUZZ)


def tools() -> None:
    """cargo-deny, from source: a minute and a half the first time on a machine, kept in the cache after that."""
    _install_tool(cargo_deny(), f"cargo-deny@{CARGO_DENY}")


def fuzzer() -> None:
    """cargo-fuzz, from source: half a minute the first time on a machine, kept in the cache after that."""
    _install_tool(cargo_fuzz(), f"cargo-fuzz@{CARGO_FUZZ}")


def livekit_server() -> Path:
    """Where this version of livekit-server is kept, for all checkouts."""
    return _tool("livekit-server", LIVEKIT_SERVER)


def servers() -> None:
    """What tests talk to for real: redis-server by apt, livekit-server from source."""
    livekit()
    if not shutil.which("redis-server"):
        _install_by_apt("redis-server")


def livekit() -> None:
    """livekit-server: four minutes of CPU the first time on a machine, kept in the cache after that."""
    program = livekit_server()
    if program.exists():
        return
    if not shutil.which("go"):
        sys.exit("go is not on PATH, and livekit-server is built with it: install Go 1.25 or newer (go.dev/dl), or put "
                 f"livekit-server {LIVEKIT_SERVER} at {program}.")  # fmt: skip
    _say(f"building livekit-server {LIVEKIT_SERVER}")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as place:
        # Its package is called `server`. Without symbols it is half as big.
        _run("go", "install", "-ldflags=-s -w", f"github.com/livekit/livekit-server/cmd/server@{LIVEKIT_SERVER}",
             env={"GOBIN": place})  # fmt: skip
        (Path(place) / "server").replace(program)


def livekit_client() -> Path:
    """Where LiveKit's library for browsers is kept, for all checkouts."""
    return cache_dir() / "tools" / f"livekit-client-{LIVEKIT_CLIENT}" / "livekit-client.umd.js"


def chromium() -> None:
    """A browser by apt: the dashboard is looked at in it."""
    if not shutil.which("chromium"):
        _install_by_apt("chromium")


def browser() -> None:
    """Chromium, and LiveKit's library for it by npm: for proofs alone, no test needs that."""
    chromium()
    library = livekit_client()
    if library.exists():
        return
    if not shutil.which("npm"):
        sys.exit("npm is not on PATH, and livekit-client comes by it: install Node.js.")
    _say(f"fetching livekit-client {LIVEKIT_CLIENT}")
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as place:
        _run("npm", "pack", "--silent", "--pack-destination", place, f"livekit-client@{LIVEKIT_CLIENT}")
        with tarfile.open(next(Path(place).glob("*.tgz"))) as package:
            source = package.extractfile("package/dist/livekit-client.umd.js")
            assert source is not None
            (Path(place) / library.name).write_bytes(source.read())
        (Path(place) / library.name).replace(library)


def _install_by_apt(*packages: str) -> None:
    """Debian's packages, where that is allowed; otherwise says what to install."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"These system packages are missing: {' '.join(packages)}. Install them (on Debian as root: "
                 f"apt-get install {' '.join(packages)}) and run this again.")  # fmt: skip
    _run("apt-get", "update", "-qq")
    _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)


def _tool(name: str, version: str) -> Path:
    return cache_dir() / "tools" / f"{name}-{version}" / "bin" / name


def _install_tool(program: Path, crate: str) -> None:
    if program.exists():
        return
    _say(f"building {crate}")
    # What such a tool does takes a second: it is built to be ready soon, not to run fast.
    quick = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_PROFILE_RELEASE_LTO": "off",
             "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "64"}  # fmt: skip
    with tempfile.TemporaryDirectory() as target:
        _run("cargo", "install", "--locked", "--quiet", crate, "--root", program.parent.parent,
             env=quick | {"CARGO_TARGET_DIR": target})  # fmt: skip


def _run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, env=os.environ | (env or {}), check=False)
    if done.returncode:
        sys.exit(f"failed ({done.returncode}): {' '.join(str(part) for part in command)}")


def _say(what: str) -> None:
    print(f"-- {what}", flush=True)


STEPS: dict[str, Callable[[], None]] = {
    "venv": venv,
    "models": models,
    "extension": extension,
    "shipped": shipped,
    "tools": tools,
    "fuzzer": fuzzer,
    "livekit": livekit,
    "servers": servers,
    "chromium": chromium,
    "browser": browser,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes this checkout ready to run.")
    parser.add_argument("steps", nargs="+", choices=STEPS)
    asked = parser.parse_args().steps
    system()
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, step in STEPS.items():
            if name in asked:
                started = time.monotonic()
                step()
                if (took := time.monotonic() - started) > 1:
                    _say(f"{name}: {took:.0f} s")


if __name__ == "__main__":
    main()
