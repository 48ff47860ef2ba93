"""docs/telemetry.md lists every metric that is made, as it is made."""

from __future__ import annotations

import re
from pathlib import Path

from beluga_voice.telemetry.instruments import INSTRUMENTS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "telemetry.md").read_text(encoding="utf-8")
KINDS = {
    "counter": "counter",
    "observed_counter": "counter",
    "up_down_counter": "level",
    "observed_gauge": "gauge",
    "histogram": "histogram",
}


def test_the_table_of_metrics_is_what_is_made() -> None:
    table = re.findall(r"^\| `([^`]+)` \| (\w+) \| (\S*) \| (.*?) ?\| (.+) \|$", PAGE, flags=re.MULTILINE)
    made = [
        (each.name, KINDS[each.kind], each.unit, ", ".join(each.attributes), each.description) for each in INSTRUMENTS
    ]
    assert table == made


def test_names_are_told_apart() -> None:
    assert len({each.name for each in INSTRUMENTS}) == len(INSTRUMENTS)
    assert len({each.name.replace(".", "_") for each in INSTRUMENTS}) == len(INSTRUMENTS)
