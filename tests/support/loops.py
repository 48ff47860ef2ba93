"""Which loop a test runs on, as pytest-asyncio asks for it: for the conftest of folders that run on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beluga_voice.virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A loop of virtual time, unless the test is marked `real_time`."""
    if item.get_closest_marker("real_time") is not None:
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualLoop}
