"""Builds the wheel (manylinux_2_28, x86_64, abi3 from Python 3.11) and the sdist.

    .venv/bin/python ci/wheel.py [--out dist]

Prints the directory that holds both. It lies in the cache, named by a hash of all inputs: what was built before is
not built again.

The wheel has the core twice, as all x86-64 run it and as x86-64-v3 does (AVX2, FMA): libopus chooses at run time for a
few of its functions alone, and most of a call is libopus. The package loads what its processor can run.

zig links against the symbols of glibc 2.28 and compiles libopus (cmake, through opusic-sys) against its headers: with
the machine's own compiler, exp, log and pow alone would ask for the glibc it was built on.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import cargo_gate
import content_hash
import third_party_licenses
from places import PACKAGE, ROOT, VENV, cache_dir, cargo_home, cargo_target_dir

COMPATIBILITY = "manylinux_2_28"
KEPT = 4  # builds in the cache
CORE = f"{PACKAGE.name}/_core.abi3.so"
# What rustc calls it, and zig.
LEVEL, LEVEL_OF_ZIG = "x86-64-v3", "x86_64_v3"
# What is built for it has a directory of its own: cargo would build everything anew at each change between the two.
TARGET, LEVEL_TARGET = cargo_target_dir(), cargo_target_dir() / LEVEL


def build() -> Path:
    """The directory with the wheel and the sdist of this checkout as it is."""
    third_party_licenses.main()
    place = cache_dir() / "wheels" / _key()
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(dir=place.parent, prefix="unfinished-"))
        try:
            with cargo_gate.held(), tempfile.TemporaryDirectory() as faster:
                _finish(_maturin("sdist", "--out", str(out)))
                _forget_compilers_of_others()
                # Side by side: half of the time goes into two links, which have one thread each.
                _finish(_wheel(out, TARGET), _wheel(Path(faster), LEVEL_TARGET, rust=f"-C target-cpu={LEVEL}",
                                                    c=f"-march={LEVEL_OF_ZIG}"))  # fmt: skip
                _add_core(_only_wheel(out), _only_wheel(Path(faster)))
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
    for target in (TARGET, LEVEL_TARGET):
        for cache in target.glob("*/wheel/build/*/out/build/CMakeCache.txt"):
            compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.+)$", cache.read_text(), re.MULTILINE)
            script = Path(compiler[1]) if compiler else None
            ours = script is not None and script.is_relative_to(_scripts(target)) and script.is_file()
            if not ours or str(VENV) not in script.read_text():
                shutil.rmtree(cache.parent)


def _scripts(target: Path) -> Path:
    """Where maturin puts the scripts that call zig. Two at once in one place would write each other's."""
    return target / "zigbuild"


def _wheel(out: Path, target: Path, *, rust: str = "", c: str = "") -> subprocess.Popen[bytes]:
    """A wheel into `out`, built in `target`, both compilers told what is given."""
    own = {"CARGO_ZIGBUILD_CACHE_DIR": str(_scripts(target)), "ZIG_GLOBAL_CACHE_DIR": str(target / "zig")}
    return _maturin("build", "--quiet", "--locked", "--profile", "wheel", "--interpreter", sys.executable, "--zig",
                    "--compatibility", COMPATIBILITY, "--auditwheel", "check", "--out", str(out),
                    rust=rust, c=c, CARGO_TARGET_DIR=str(target), **own)  # fmt: skip


def _only_wheel(place: Path) -> Path:
    [wheel] = place.glob("*.whl")
    return wheel


def _add_core(wheel: Path, faster: Path) -> None:
    """Takes the core out of the second wheel into the first, and enters it into its record
    (https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file)."""
    name = f"{PACKAGE.name}/_cores/{LEVEL}/{Path(CORE).name}"
    whole = wheel.with_suffix(".whole")
    with zipfile.ZipFile(faster) as files:
        entry, core = files.getinfo(CORE), files.read(CORE)
    entry.filename = name
    digest = base64.urlsafe_b64encode(hashlib.sha256(core).digest()).rstrip(b"=").decode()
    with zipfile.ZipFile(wheel) as given, zipfile.ZipFile(whole, "w") as made:
        for info in given.infolist():
            content = given.read(info)
            if info.filename.endswith(".dist-info/RECORD"):
                made.writestr(entry, core)
                content += f"{name},sha256={digest},{len(core)}\n".encode()
            made.writestr(info, content)
    whole.rename(wheel)


def _maturin(*arguments: str, rust: str = "", c: str = "", **environment: str) -> subprocess.Popen[bytes]:
    # Panic messages and libopus's assertions name source files: without the machine's directories.
    sources = cargo_home() / "registry" / "src"
    prefixes = [f"{place}=crates" for place in sorted(sources.glob("*"))]
    env = {
        "PATH": os.pathsep.join([str(VENV / "bin"), os.environ["PATH"]]),  # zig is found through this Python
        "RUSTFLAGS": " ".join([*(f"--remap-path-prefix={prefix}" for prefix in prefixes), rust]),
        "CFLAGS": " ".join([*(f"-ffile-prefix-map={prefix}" for prefix in prefixes), c]),
        **environment,
    }
    return cargo_gate.start([VENV / "bin" / "maturin", *arguments], env=env)


def _finish(*builds: subprocess.Popen[bytes]) -> None:
    """Waits for all of them, so that none goes on when the gate is open again."""
    failed = sum(build.wait() != 0 for build in builds)
    if failed:
        sys.exit("maturin failed")


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
