from __future__ import annotations

import subprocess
import sys

import pytest

import beluga_voice


def test_all_is_sorted_and_every_name_is_there() -> None:
    assert list(beluga_voice.__all__) == sorted(beluga_voice.__all__)
    for name in beluga_voice.__all__:
        assert getattr(beluga_voice, name) is not None
    assert set(beluga_voice.__all__) <= set(dir(beluga_voice))
    assert set(beluga_voice.__all__) == {*beluga_voice._HOMES, *beluga_voice._MODULES}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        beluga_voice.Nonsense  # noqa: B018 - the access is the test


def test_importing_loads_nothing_heavy() -> None:
    heavy = [
        "numpy",
        "pydantic",
        "typer",
        "rich",
        "structlog",
        "asyncio",
        "yaml",
        "pocketsphinx",
        "piper",
        "onnxruntime",
        "livekit",
    ]
    code = (
        "import sys; before = set(sys.modules); import beluga_voice; "
        f"loaded = set(sys.modules) - before; print(sorted(loaded & set({heavy!r})), "
        "sorted(name for name in loaded if name.startswith('beluga_voice.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
