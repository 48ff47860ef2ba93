"""An agent with a tool and a memory of its call.

beluga-voice simulate tests/data/weather_question.wav --agent examples/tool_agent.py:Forecaster
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from beluga_voice import Command, ToolFinished, ToolStarted, Turn

WEATHER = {"london": "rain, twelve degrees", "paris": "sunshine, nineteen degrees"}


async def look_up(city: str) -> str:
    """Stands for a request to a weather service."""
    await asyncio.sleep(0.2)
    return WEATHER[city]


class Forecaster:
    """A class is made anew for each call: what it keeps belongs to one caller."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def respond(self, turn: Turn) -> AsyncIterator[str | Command]:
        """Says at once that it looks, and is heard saying so while it does."""
        city = next((name for name in WEATHER if name in turn.text.lower()), None)
        if city is None:
            yield f"I know the weather in {' and '.join(name.title() for name in WEATHER)}."
            return
        again = " again" if city in self.asked else ""
        yield f"Let me look{again}. "
        self.asked.append(city)
        # Reports and traces are made from these two: `function_tools_executed` is told with them.
        yield ToolStarted("look_up", {"city": city})
        weather = await look_up(city)
        yield ToolFinished("look_up", weather)
        yield f"In {city.title()}: {weather}."
