"""Behaviour runs on virtual time: a call of a minute takes a moment, and is the same one each time."""

from __future__ import annotations

from support.loops import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
