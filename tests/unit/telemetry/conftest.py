"""Calls here run on virtual time, but for those that serve something to others."""

from __future__ import annotations

from support.loops import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
