"""The examples of docs/hooks.md do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from beluga_voice.testing import run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
EXAMPLES = [
    (title.strip(), code)
    for title, section in re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
]


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_an_example(title: str, code: str) -> None:
    space: dict[str, Any] = {"__name__": "docs_hooks"}
    exec(compile(code, f"docs/hooks.md, {title}", "exec"), space)
    if "main" in space:
        run(space["main"]())


def test_every_hook_has_an_example() -> None:
    assert len(EXAMPLES) == 7
