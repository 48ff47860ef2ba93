"""Which of the wheel's cores a processor gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from beluga_voice import _processor

EPYC = """\
processor\t: 0
vendor_id\t: AuthenticAMD
flags\t\t: fpu sse sse2 pni fma cx16 ssse3 sse4_1 sse4_2 movbe popcnt xsave avx f16c rdrand lahf_lm abm bmi1 avx2 bmi2
bugs\t\t: sysret_ss_attrs

processor\t: 1
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands in place of /proc/cpuinfo."""
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(_processor, "_CPUINFO", str(file))
    return file


def test_a_processor_with_all_features_is_of_the_third_level(told: Path) -> None:
    told.write_text(EPYC)
    assert _processor.levels() == ["x86-64-v3"]


@pytest.mark.parametrize(
    "feature", ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave", "sse4_2", "cx16"]
)
def test_one_that_lacks_a_feature_is_not(told: Path, feature: str) -> None:
    told.write_text(re.sub(rf" {feature}\b", "", EPYC))
    assert _processor.levels() == []


@pytest.mark.parametrize("text", [b"", b"Features\t: fp asimd evtstrm aes\n", b"flags\t: \xff\n"])
def test_nor_is_one_that_says_nothing_of_the_kind(told: Path, text: bytes) -> None:
    told.write_bytes(text)
    assert _processor.levels() == []


def test_nor_is_one_where_nothing_is_told(told: Path) -> None:
    assert not told.exists()
    assert _processor.levels() == []
