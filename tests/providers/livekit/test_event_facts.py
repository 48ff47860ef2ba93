"""What a caller on the plain SDK tells of an event, in words that do not depend on the SDK's version."""

from __future__ import annotations

import pytest
from livekit import rtc

from beluga_voice.simulation.sdk.event_facts import facts_of


@pytest.mark.parametrize("name", ["LOST", "POOR", "GOOD", "EXCELLENT"])
def test_qualities_of_a_connection_have_plain_names(name: str) -> None:
    value = int(rtc.ConnectionQuality[f"QUALITY_{name}"])
    assert facts_of("connection_quality_changed", (None, value))["quality"] == name
