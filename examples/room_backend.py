"""The same agent for every caller of a room, on the backend `livekit`: it mints the tokens and joins by itself.

LIVEKIT_URL=ws://localhost:7880 LIVEKIT_API_KEY=... LIVEKIT_API_SECRET=... python examples/room_backend.py a-room
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

from my_agent import agent

from beluga_voice import SessionConfig, get_registry


async def main(room: str) -> None:
    """A session for each caller who comes, until Ctrl-C or SIGTERM."""
    # What is not given here is read from the environment. A room's name may be an option too: {"room": "a-room"}.
    backend = get_registry().create("livekit", {"max_concurrent_sessions": 20, "provider_config": {"media": "native"}})
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                # Waits for the next one who has no session yet, and goes on beside the calls that are under way.
                session = await backend.answer(SessionConfig(agent=agent, stt="pocketsphinx", tts="piper"), room=room)
                print(f"serving {backend.participant_of(session.id)} in {room}", flush=True)
                session.say("Hello! Ask me about the weather.")
    finally:
        await backend.aclose()
        print("left", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
