"""Who may open whose door: the directions of docs/architecture.md, read from manifests and sources.

Rust: which crate may depend on which, who knows Python, who reads a clock or opens a socket, where `unsafe` is.
Python: components and providers never import each other, and nothing that ships imports `beluga_voice.testing`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUST = ROOT / "rust"
PACKAGE = ROOT / "python" / "beluga_voice"

# crate -> crates of ours that it may depend on. A new crate gets a row here before it builds.
MAY_DEPEND_ON: dict[str, set[str]] = {
    "counting-alloc": set(),
    "dsp": set(),
    "codec": {"dsp"},
    "jitter": {"dsp", "codec"},
    "vad": {"dsp"},
    "engine": {"dsp", "codec", "jitter", "vad"},
    "webrtc": {"dsp", "codec", "jitter", "vad", "engine"},
    "livekit": {"dsp", "codec", "jitter", "vad", "engine", "webrtc"},
    # Knows sockets, clocks and TLS, and no protocol.
    "runtime": {"dsp", "codec", "jitter", "vad", "engine"},
    # Speaks and listens where a session would: tests and benches, and pybind for `beluga_voice.testing`.
    "caller": {"dsp", "codec", "engine"},
    # Packets and times are all it knows. Tests and benches use it, and pybind for `beluga_voice.testing`.
    "sim": set(),
    "pybind": {"dsp", "codec", "jitter", "vad", "engine", "webrtc", "livekit", "runtime", "caller", "sim"},
}

# Tests and benches of a crate may see the network and clock emulator, and the allocator that counts.
MAY_DEPEND_ON_IN_TESTS = {"sim", "counting-alloc"}

# file -> why it needs `unsafe`.
MAY_BE_UNSAFE: dict[str, str] = {
    "codec/src/libopus.rs": "calls into libopus",
    "counting-alloc/src/lib.rs": "GlobalAlloc cannot be implemented without it",
    "runtime/src/batch.rs": "recvmmsg and the time stamps of packets have no safe binding",
    "runtime/src/c_address.rs": "what an address of C holds is known by its first field alone",
    "runtime/src/interfaces.rs": "the system's list of addresses has no safe binding",
    "vad/src/dispatch.rs": "calls code compiled for instruction sets that it has just detected",
}

# Only rust/runtime reads a clock, waits or opens a socket: everything else is given the time and the bytes.
CLOCKS_AND_SOCKETS = re.compile(
    r"\bInstant::now\b|\bSystemTime\b|\bstd::net\b|\bthread::(?:sleep|park_timeout)\b|\brustix::(?:net|time)\b"
)

INCLUDED_FILE = re.compile(r'\binclude(?:_str|_bytes)?!\(\s*"([^"]+)"')
TESTING = re.compile(r"beluga_voice\.testing(?:\.|$)")


def crates() -> list[str]:
    return sorted(path.parent.name for path in RUST.glob("*/Cargo.toml"))


def manifest(crate: str) -> dict[str, object]:
    return tomllib.loads((RUST / crate / "Cargo.toml").read_text(encoding="utf-8"))


def named_dependencies(found: dict[str, object], *, kinds: tuple[str, ...]) -> set[str]:
    """Names in the dependency tables of these kinds, those of `[target.*]` included."""
    targets = found.get("target", {})
    tables = [found, *targets.values()] if isinstance(targets, dict) else [found]
    return {name for table in tables for kind in kinds for name in table.get(kind, {})}


def ours(names: set[str]) -> set[str]:
    return {name.removeprefix("beluga-") for name in names if name.startswith("beluga-")}


def code_only(text: str) -> str:
    """Rust source without comments and without what its strings and characters say."""
    pattern = r"""//[^\n]*|/\*.*?\*/|'(?:\\[^']+|[^'\\])'|r(#+)".*?"\1|r"[^"]*"|"(?:\\.|[^"\\])*\""""
    return re.sub(pattern, lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)


def rust_sources(crate: str, *below: str) -> Iterator[tuple[str, str]]:
    """(path from rust/, code) of a crate's files."""
    for place in below or ("src", "tests", "benches", "examples"):
        for path in sorted((RUST / crate / place).rglob("*.rs")):
            yield path.relative_to(RUST).as_posix(), code_only(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    """Absolute dotted names of everything that a Python file imports, wherever in the file it does."""
    module = path.relative_to(ROOT / "python").with_suffix("").parts
    package = module[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found.add(origin)
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    return found


def python_files(*below: str) -> list[Path]:
    return [path for place in below or (".",) for path in sorted((PACKAGE / place).rglob("*.py"))]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_crate_has_a_row_of_what_it_may_depend_on() -> None:
    assert set(crates()) <= set(MAY_DEPEND_ON)


@pytest.mark.parametrize("crate", crates())
def test_a_crate_depends_only_on_those_below_it(crate: str) -> None:
    found = manifest(crate)
    shipped = ours(named_dependencies(found, kinds=("dependencies", "build-dependencies")))
    in_tests = ours(named_dependencies(found, kinds=("dev-dependencies",)))
    assert shipped - MAY_DEPEND_ON[crate] == set()
    assert in_tests - MAY_DEPEND_ON[crate] - MAY_DEPEND_ON_IN_TESTS == set()


@pytest.mark.parametrize("crate", [crate for crate in crates() if crate != "pybind"])
def test_only_pybind_knows_python(crate: str) -> None:
    kinds = ("dependencies", "dev-dependencies", "build-dependencies")
    assert not [name for name in named_dependencies(manifest(crate), kinds=kinds) if name.startswith("pyo3")]
    assert [name for name, code in rust_sources(crate) if re.search(r"\bpyo3\b", code)] == []


@pytest.mark.parametrize("crate", [crate for crate in crates() if crate != "runtime"])
def test_only_runtime_reads_a_clock_waits_or_opens_a_socket(crate: str) -> None:
    breaches = [(name, found[0]) for name, code in rust_sources(crate, "src") for found in
                CLOCKS_AND_SOCKETS.finditer(code)]  # fmt: skip
    assert breaches == []


def test_unsafe_is_only_in_the_modules_that_say_why() -> None:
    unsafe = {name for crate in crates() for name, code in rust_sources(crate) if re.search(r"\bunsafe\b", code)}
    assert unsafe == set(MAY_BE_UNSAFE)


def test_components_and_providers_never_import_each_other() -> None:
    """A vendor's file stands alone: it may import the nouns above it and private modules (`_x`) of its own folder."""
    breaches: list[str] = []
    for path in python_files("components", "providers"):
        own = ".".join(path.relative_to(ROOT / "python").with_suffix("").parts).removesuffix(".__init__")
        folder = own if path.name == "__init__.py" else own.rpartition(".")[0]
        if path.is_relative_to(PACKAGE / "providers"):
            # One folder per backend: inside it everything is its own.
            folder = ".".join(own.split(".")[:3])
            mine = (folder,)
        else:
            mine = (f"{folder}._", own)
        for name in imports(path):
            vendor = re.match(r"beluga_voice\.(components|providers)\.", name)
            if vendor and not name.startswith(mine) and not name.startswith("beluga_voice.components._"):
                breaches.append(f"{shown(path)} imports {name}")
    assert breaches == []


def test_components_and_providers_reach_the_core_only_through_the_package() -> None:
    """They are given handles: the extension itself is behind `beluga_voice.audio` and the session."""
    reach = {shown(path): name for path in python_files("components", "providers") for name in imports(path)
             if name.startswith("beluga_voice._core")}  # fmt: skip
    assert reach == {}


def test_nothing_that_ships_imports_the_testing_package() -> None:
    inside = PACKAGE / "testing"
    shipped = [path for path in python_files() if not path.is_relative_to(inside)]
    breaches = [shown(path) for path in shipped if any(TESTING.match(name) for name in imports(path))]
    assert breaches == []


def test_rust_reads_no_file_of_another_crate_while_it_compiles() -> None:
    """The shared build cache looks at rust/ and Cargo.* alone (ci/cargo_gate.py)."""

    def outside(path: Path) -> list[str]:
        crate = RUST / path.relative_to(RUST).parts[0]
        named = INCLUDED_FILE.findall(path.read_text(encoding="utf-8"))
        return [name for name in named if not (path.parent / name).resolve().is_relative_to(crate)]

    assert {shown(path): names for path in sorted(RUST.rglob("*.rs")) if (names := outside(path))} == {}


def test_the_allocator_that_counts_ships_with_nothing() -> None:
    users = [
        crate
        for crate in crates()
        if "beluga-counting-alloc" in named_dependencies(manifest(crate), kinds=("dependencies",))
    ]
    assert users == []
