"""The dashboard as people see it: in Chromium, over a call that is going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.browser_page import BrowserPage
from support.call import on_call

from beluga_voice.events import ConversationItemAdded
from beluga_voice.telemetry import Telemetry

if TYPE_CHECKING:
    from beluga_voice import Turn

TOKEN = "a-token-of-many-letters"

# pyproject's patience is for tests without a browser, which starts slowly on a busy machine.
pytestmark = pytest.mark.timeout(240)

CELLS = "[...document.querySelectorAll('#{table} tr')].slice(1).map((row) => [...row.cells].map((c) => c.innerText))"


async def agent(turn: Turn) -> str:
    return "gold hand iron jump kite lamp milk nest open pink quiz rose."


async def test_the_page_follows_a_call_and_asks_nobody_else_for_anything() -> None:
    telemetry = Telemetry(dashboard={"port": 0, "token": TOKEN})
    await telemetry.start()
    assert telemetry.dashboard is not None
    url = telemetry.dashboard.url
    try:
        async with BrowserPage("chromium") as page:
            await page.open(url)
            await page.until("document.body && document.body.innerText.length >= 0")
            assert await page.value("document.getElementById('calls') === null"), "seen without the token"
            await page.open(url, authorization=f"Bearer {TOKEN}")
            await page.until("document.getElementById('link')?.textContent === 'live'")
            assert await page.value("document.getElementById('no-calls').checkVisibility()")
            async with on_call(agent, telemetry=telemetry, prices={"call_minute": 6.0}) as tried:
                await tried.say("able bake")
                await tried.agent_heard("gold", "hand")
                await page.until("document.getElementById('calls').innerText.includes('speaking')")
                ((call_id, backend, state, *_),) = await page.value(CELLS.format(table="calls"))
                assert (call_id, backend, state) == (tried.session.id[:8], "local", "active")
                await tried.heard(ConversationItemAdded, nth=2)
                await page.until("document.getElementById('stages').innerText.includes('caller to agent')")
                (row,) = await page.value(CELLS.format(table="calls"))
                stages = {each[0]: each for each in await page.value(CELLS.format(table="stages"))}
            (item,) = [event for event in tried.all(ConversationItemAdded) if event.item.role == "assistant"]
            latency_ms = round(1000 * item.metrics["e2e_latency"])
            assert row[6:10] == ["1", "0", "0", f"{latency_ms} ms"]
            assert row[11].endswith("USD")
            assert stages["caller to agent"][2] == f"{latency_ms} ms"
            assert set(stages) >= {"end of turn", "recogniser", "voice's first sound", "playout"}
            await page.until("document.getElementById('calls').innerText.includes('user initiated')")
            counters = dict(await page.value(CELLS.format(table="counters")))
            assert counters["sessions"] == "1"
            assert counters["closed: user initiated"] == "1"
            await telemetry.aclose()
            await page.until("document.getElementById('link').className === 'lost'")
            assert {each for each in page.requests if not each.startswith((url, "data:"))} == set()
    finally:
        await telemetry.aclose()
