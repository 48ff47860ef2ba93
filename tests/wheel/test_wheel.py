"""What ships: the wheel and the sdist hold what they must and nothing of this machine, and the wheel works where no
compiler is. `ci/wheel.py` builds them, or finds in its cache what was built from the same inputs."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from support.sdk_caller import SdkCaller

from beluga_voice.clock import now
from beluga_voice.testing import LiveKitServer

if TYPE_CHECKING:
    from beluga_voice._model_table import Model

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
NEWEST_GLIBC = (2, 28)

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def built() -> Path:
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "wheel.py")], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(built / f"beluga_voice-{VERSION}-cp311-abi3-manylinux_2_28_x86_64.whl") as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(built: Path) -> dict[str, bytes]:
    """Path below the sdist's one directory -> content."""
    with tarfile.open(built / f"beluga_voice-{VERSION}.tar.gz") as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        top = {member.name.partition("/")[0] for member in files}
        assert top == {f"beluga_voice-{VERSION}"}
        return {member.name.partition("/")[2]: _content(archive, member) for member in files}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def tracked_package_files() -> set[str]:
    """What of python/beluga_voice git tracks or would track, as paths from python/."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "python/beluga_voice"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return {name.removeprefix("python/") for name in listed.split("\0") if name and (ROOT / name).exists()}


def model_table() -> tuple[Model, ...]:
    """The weights that ship, and what they must be."""
    return runpy.run_path(str(ROOT / "python" / "beluga_voice" / "_model_table.py"))["MODELS"]


def model_files() -> set[str]:
    """Weights and their licences, as paths from python/."""
    return {f"beluga_voice/_models/{file}" for model in model_table() for file in (model.file, model.licence_file)}


CORES = ("beluga_voice/_core.abi3.so", "beluga_voice/_cores/x86-64-v3/_core.abi3.so")


def shared_object(wheel: zipfile.ZipFile, core: str) -> ELFFile:
    return ELFFile(io.BytesIO(wheel.read(core)))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if not name.startswith(f"beluga_voice-{VERSION}.dist-info/")}
    made = {*CORES, "beluga_voice/THIRD-PARTY-LICENSES", *model_files()}
    assert inside == tracked_package_files() | made


def test_the_record_names_every_file_with_its_hash(wheel: zipfile.ZipFile) -> None:
    record = f"beluga_voice-{VERSION}.dist-info/RECORD"
    lines = csv.reader(io.StringIO(wheel.read(record).decode()))
    told = {name: (digest, size) for name, digest, size in lines}
    assert told.pop(record) == ("", "")
    contents = {name: wheel.read(name) for name in wheel.namelist() if name != record}
    assert told == {
        name: (
            "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("="),
            str(len(content)),
        )
        for name, content in contents.items()
    }


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    info = f"beluga_voice-{VERSION}.dist-info"
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert f"\nVersion: {VERSION}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert "beluga-voice=beluga_voice.cli:main" in wheel.read(f"{info}/entry_points.txt").decode().replace(" ", "")
    assert {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= set(wheel.namelist())


def test_wheel_and_sdist_carry_the_models(wheel: zipfile.ZipFile, sdist: dict[str, bytes]) -> None:
    assert model_table()
    for model in model_table():
        name = f"beluga_voice/_models/{model.file}"
        assert hashlib.sha256(wheel.read(name)).hexdigest() == model.sha256
        assert hashlib.sha256(sdist[f"python/{name}"]).hexdigest() == model.sha256
        assert wheel.read(f"beluga_voice/_models/{model.licence_file}").strip()


def test_wheel_and_sdist_carry_the_licences_of_others(wheel: zipfile.ZipFile, sdist: dict[str, bytes]) -> None:
    text = wheel.read("beluga_voice/THIRD-PARTY-LICENSES").decode()
    assert sdist["python/beluga_voice/THIRD-PARTY-LICENSES"].decode() == text
    for name in ("libopus", "silero_vad", "pyo3", "Rust standard library"):
        assert name.lower() in text.lower()
    # Words of the texts themselves, not of the list above them.
    assert "Xiph.Org" in text
    assert "Permission is hereby granted, free of charge" in text


def test_the_sdist_can_be_built_from(sdist: dict[str, bytes]) -> None:
    """Whether it does build is a proof of its own (`make prove-sdist`): here, that nothing it names is missing."""
    assert {"Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE", "NOTICE"} <= set(sdist)
    lock = tomllib.loads(sdist["Cargo.lock"].decode())
    for package in lock["package"]:
        if package["name"].startswith("beluga-"):
            assert f"rust/{package['name'].removeprefix('beluga-')}/Cargo.toml" in sdist
    assert {f"python/{name}" for name in tracked_package_files()} <= set(sdist)


@pytest.mark.parametrize("core", CORES)
def test_the_extension_asks_for_no_newer_glibc_than_its_tag_says(wheel: zipfile.ZipFile, core: str) -> None:
    needed: set[str] = set()
    for section in shared_object(wheel, core).iter_sections():
        if isinstance(section, GNUVerNeedSection):
            needed |= {version.name for _, versions in section.iter_versions() for version in versions}
    asked = {tuple(map(int, name.removeprefix("GLIBC_").split("."))) for name in needed if name.startswith("GLIBC_")}
    assert asked, "no versioned symbol at all: this test reads the wrong section"
    assert max(asked)[:2] <= NEWEST_GLIBC


@pytest.mark.parametrize("core", CORES)
def test_the_extension_links_the_c_library_and_nothing_else(wheel: zipfile.ZipFile, core: str) -> None:
    dynamic = shared_object(wheel, core).get_section_by_name(".dynamic")
    linked = {tag.needed for tag in dynamic.iter_tags("DT_NEEDED")}
    assert linked <= {
        "ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0"
    }  # fmt: skip


def test_nothing_in_them_names_a_directory_of_this_machine(wheel: zipfile.ZipFile, sdist: dict[str, bytes]) -> None:
    own = {str(ROOT), str(Path.home()), os.environ.get("CARGO_HOME", "")} - {"", "/"}
    files = {name: wheel.read(name) for name in wheel.namelist()} | sdist
    pattern = re.compile(b"|".join(re.escape(place.encode()) + b"/" for place in own))
    assert [name for name, content in files.items() if pattern.search(content)] == []


# Sound through everything native in the wheel: resampler, libopus, the detector with the weights inside.
USE = """
import sys
import numpy as np
from beluga_voice import _core
from beluga_voice.audio import OpusDecoder, OpusEncoder, Resampler, SileroVad
from beluga_voice.cli.checks import examine

assert _core.__file__.startswith(sys.prefix), _core.__file__
[told] = [finding.found for finding in examine() if finding.name == "beluga-voice"]
assert told == sys.argv[1], told
tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.int16)
resampler = Resampler(48_000, 16_000)
pcm = np.frombuffer(resampler.process(tone) + resampler.flush(), np.int16)
assert abs(len(pcm) - 16_000) <= 200, len(pcm)
assert abs(np.abs(np.fft.rfft(pcm[:16_000])).argmax() - 440) <= 2

encoder, decoder = OpusEncoder(sample_rate=16_000), OpusDecoder(sample_rate=16_000)
heard = b"".join(decoder.decode(encoder.encode(pcm[start : start + 320])) for start in range(0, 15_680, 320))
level = np.frombuffer(heard, np.int16)[8_000:].astype(float).std()
assert 4_000 < level < 7_000, level

quiet = SileroVad().process(np.zeros(16_000, np.int16))
assert len(quiet) == 31 and max(quiet) < 0.3, quiet
"""


def installed(built: Path, place: Path, extra: str = "") -> dict[str, str]:
    """An empty environment at `place` with the wheel in it; what a process there has for its own environment."""
    venv.create(place, with_pip=True)
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "HOME"}
    bare = kept | {"PATH": str(place / "bin")}
    [wheel] = built.glob("*.whl")
    subprocess.run(
        [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
         "--only-binary", ":all:", "-c", str(ROOT / "ci" / "constraints.txt"), f"{wheel}{extra}"],
        check=True, env=bare, cwd=place,
    )  # fmt: skip
    return bare


def machine_is_x86_64_v3() -> bool:
    """As glibc sees it."""
    told = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "--help"], check=True, capture_output=True, text=True).stdout
    return re.search(r"x86-64-v3 \(supported", told) is not None


def test_it_installs_and_works_where_no_compiler_is(built: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    bare = installed(built, place)
    for tool in ("cargo", "rustc", "cc", "gcc", "clang", "cmake", "make"):
        assert shutil.which(tool, path=bare["PATH"]) is None
    python = str(place / "bin" / "python")
    use = [python, "-W", "error", "-c", USE]
    best = f"{VERSION}, made for x86-64-v3" if machine_is_x86_64_v3() else VERSION
    subprocess.run([*use, best], check=True, env=bare, cwd=tmp_path)
    # As on a processor that cannot do as much.
    [cores] = place.glob("lib/python3*/site-packages/beluga_voice/_cores")
    cores.rename(tmp_path / "cores")
    subprocess.run([*use, VERSION], check=True, env=bare, cwd=tmp_path)
    subprocess.run([str(place / "bin" / "beluga-voice"), "--help"], check=True, env=bare, cwd=tmp_path)


# An agent in a room, carried by the core alone: signalling, WebRTC and Opus of the wheel.
JOIN = """
import asyncio
import sys
from beluga_voice import VoiceSession, _core, livekit
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

assert _core.__file__.startswith(sys.prefix), _core.__file__

async def agent(turn):
    return f"{turn.text}."

async def main(url, token):
    async with await livekit.connect(url, token) as room:
        assert (room.media_path, "livekit" in sys.modules) == ("native", False)
        session = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
        await session.start(room)
        await session.say("gold hand iron jump")
        await session.wait_closed()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_it_joins_a_room_where_nothing_else_is_and_is_heard_and_hears(built: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    bare = await asyncio.to_thread(installed, built, place, "[livekit]")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with LiveKitServer() as server:
        async with SdkCaller(server, "ada") as ada:
            await ada.join("a-room")
            await ada.publish()
            program = await asyncio.create_subprocess_exec(
                *(str(place / "bin" / "python"), "-W", "error", "-c", JOIN),
                *(server.url, server.token("a-room", "agent", kind="agent")),
                env=bare, cwd=elsewhere, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            try:
                began_s = await ada.voice_from("agent", within=60.0)
                greeted_s = await ada.silence_from("agent", since=began_s)
                asked = await ada.say_words("able bake", at_s=now() + 0.3)
                answered_s = await ada.voice_from("agent", since=asked.last_s, within=20.0)
                over_s = await ada.silence_from("agent", since=answered_s)
                heard = await ada.heard("agent")
                assert heard.between(began_s - 0.5, greeted_s).words == ["gold", "hand", "iron", "jump"]
                assert heard.between(asked.last_s, over_s).words == ["able", "bake"]
                await ada.leave()
                async with asyncio.timeout(20.0):
                    written, _ = await program.communicate()
                assert (program.returncode, written) == (0, b"")
            finally:
                if program.returncode is None:
                    program.kill()
                    print((await program.communicate())[0].decode())
