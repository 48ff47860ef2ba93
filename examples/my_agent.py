"""The README's agent. `beluga-voice simulate tests/data/weather_question.wav --agent examples/my_agent.py:agent`"""

from __future__ import annotations

from collections.abc import AsyncIterator

from beluga_voice import Turn


async def agent(turn: Turn) -> AsyncIterator[str]:
    """Answers one turn, piece by piece."""
    if "weather" in turn.text:
        yield "It is sunny, with a light breeze from the sea."
    else:
        yield f"You said: {turn.text}. Ask me about the weather."
