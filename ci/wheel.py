"""Builds the wheel (manylinux_2_28, x86_64, abi3 from Python 3.11) and the sdist.

    .venv/bin/python ci/wheel.py [--out dist]

Prints the directory that holds both. It lies in the cache, named by a hash of all inputs: what was built before is
not built again.

zig links against the symbols of glibc 2.28 and compiles libopus (cmake, through opusic-sys) against its headers: with
the machine's own compiler, exp, log and pow alone would ask for the glibc it was built on.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import cargo_gate
import content_hash
import third_party_licenses
from places import PACKAGE, ROOT, VENV, cache_dir, cargo_home, cargo_target_dir

COMPATIBILITY = "manylinux_2_28"
KEPT = 4  # builds in the cache


def build() -> Path:
    """The directory with the wheel and the sdist of this checkout as it is."""
    third_party_licenses.main()
    place = cache_dir() / "wheels" / _key()
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(dir=place.parent, prefix="unfinished-"))
        try:
            _maturin("sdist", "--out", str(out))
            _forget_compilers_of_others()
            _maturin("build", "--quiet", "--locked", "--profile", "wheel", "--interpreter", sys.executable, "--zig",
                     "--compatibility", COMPATIBILITY, "--auditwheel", "check", "--out", str(out))  # fmt: skip
            out.rename(place)
        finally:
            shutil.rmtree(out, ignore_errors=True)
    place.touch()
    built = sorted(place.parent.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
    for old in built[:-KEPT]:
        shutil.rmtree(old)
    return place


def _key() -> str:
    names = ("rust", "Cargo.toml", "Cargo.lock", "python", "pyproject.toml", "LICENSE", "NOTICE", "README.md",
             "ci/wheel.py")  # fmt: skip
    inputs = [path for path in content_hash.files_below(*(ROOT / name for name in names)) if path.suffix != ".so"]
    rustc = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return content_hash.of_files(inputs, rustc, version("maturin"), version("ziglang"), COMPATIBILITY)[:24]


def _forget_compilers_of_others() -> None:
    """cmake keeps the compiler it was first given: a script that calls zig in the .venv of the checkout that built
    first. That one may be gone by now.
    """
    for cache in cargo_target_dir().glob("*/wheel/build/*/out/build/CMakeCache.txt"):
        compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.+)$", cache.read_text(), re.MULTILINE)
        script = Path(compiler[1]) if compiler else None
        if script is None or not script.is_file() or str(VENV) not in script.read_text():
            shutil.rmtree(cache.parent)


def _maturin(*arguments: str) -> None:
    # Panic messages and libopus's assertions name source files: without the machine's directories.
    sources = cargo_home() / "registry" / "src"
    prefixes = [f"{place}=crates" for place in sorted(sources.glob("*"))]
    env = {
        "PATH": os.pathsep.join([str(VENV / "bin"), os.environ["PATH"]]),  # zig is found through this Python
        "RUSTFLAGS": " ".join(f"--remap-path-prefix={prefix}" for prefix in prefixes),
        "CFLAGS": " ".join(f"-ffile-prefix-map={prefix}" for prefix in prefixes),
    }
    if cargo_gate.run([VENV / "bin" / "maturin", *arguments], env=env):
        sys.exit(f"maturin {arguments[0]} failed")


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the wheel and the sdist.")
    parser.add_argument("--out", type=Path, help="copy both here too")
    out = parser.parse_args().out
    if not PACKAGE.is_dir():
        sys.exit("no Python package here")
    place = build()
    if out:
        out.mkdir(parents=True, exist_ok=True)
        for path in place.iterdir():
            shutil.copy2(path, out)
            print(out / path.name)
    else:
        print(place)


if __name__ == "__main__":
    main()
