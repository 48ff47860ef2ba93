"""`beluga-voice top`: the calls of a running process, from its dashboard."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from beluga_voice.cli import showing
from beluga_voice.errors import AuthError, ConfigError, TransportError

__all__ = ["top"]

_TIMEOUT_S = 5.0
_STATES = {"speaking": "green", "thinking": "yellow", "error": "red"}


def top(url: str, *, token: str | None, once: bool, as_json: bool, every_s: float) -> int:
    """Shows the calls until it is interrupted, or `once`. Raises what asking raises."""
    told = _ask(url, token)
    terminal = showing.console()
    if as_json:
        terminal.print_json(data=told)
        return 0
    if once:
        terminal.print(shown(told))
        return 0
    with Live(shown(told), console=terminal, screen=terminal.is_terminal, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(every_s)
                live.update(shown(_ask(url, token)), refresh=True)
        except KeyboardInterrupt:
            return 0


def _ask(url: str, token: str | None) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"url = {url!r}: allowed: http://... or https://..., where a dashboard is")
    request = urllib.request.Request(url.rstrip("/") + "/calls.json")
    if token:
        password = base64.b64encode(f":{token}".encode()).decode()
        request.add_header("authorization", f"Basic {password}")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise AuthError("the dashboard wants its token: BELUGA_VOICE_TELEMETRY__DASHBOARD__TOKEN") from None
        raise TransportError(f"{url} answered {error.code}", code="protocol_error") from None
    except (OSError, ValueError) as error:
        raise TransportError(
            f"no dashboard at {url} ({error}): telemetry.dashboard of a backend serves one", code="connection_failed"
        ) from None


def shown(told: dict[str, Any]) -> Group:
    """What `CallBoard.shown` tells, as tables."""
    calls = _table("call backend state agent caller lasts turns interruptions errors latency tokens cost", text=5)
    for each in [*told["calls"], *told["over"]]:
        over = "reason" in each
        calls.add_row(
            each["id"][:8],
            each["provider"],
            _state(each["reason"].replace("_", " ") if over else each["state"]),
            "" if over else _state(each["agent_state"]),
            "" if over else _state(each["user_state"]),
            f"{int(each['duration_s'] // 60)}:{int(each['duration_s'] % 60):02}",
            str(each["turns"]),
            str(each["interruptions"]),
            str(each["errors"]),
            _ms(each["latency_s"]),
            str(each["tokens"]),
            "" if each["cost"] is None else f"{each['cost']:.4f} {each['currency']}",
            style="dim" if over else "",
        )
    stages = _table("stage p50 p95 longest n", text=1)
    for each in told["stages"]:
        stages.add_row(each["stage"], _ms(each["p50_s"]), _ms(each["p95_s"]), _ms(each["max_s"]), str(each["n"]))
    counted = "  ".join(f"{name} {count}" for name, count in told["counters"].items())
    head = Text(f"beluga-voice: {len(told['calls'])} calls, up {told['up_s']:.0f} s", style="bold")
    return Group(head, calls, stages, Text(counted, style="dim"))


def _table(heads: str, *, text: int) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, head in enumerate(heads.split()):
        table.add_column(head, justify="left" if place < text else "right", no_wrap=True)
    return table


def _state(name: str) -> Text:
    return Text(name, style=_STATES.get(name, ""))


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1000 * seconds:.0f} ms"
