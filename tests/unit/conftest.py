"""Fixtures of unit tests."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own."""
    for name in list(os.environ):
        if name.startswith(("BELUGA_VOICE_", "LIVEKIT_")):
            monkeypatch.delenv(name)
