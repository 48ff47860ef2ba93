"""An agent in a LiveKit room: serves the caller there is, or who comes.

LIVEKIT_URL=ws://localhost:7880 LIVEKIT_TOKEN=... python examples/room_agent.py

The token says which room, and as whom it is joined; `lk token create --join --room a-room --identity agent` makes one.
"""

from __future__ import annotations

import asyncio
import os

from my_agent import agent

from beluga_voice import VoiceSession, livekit


async def main(url: str, token: str) -> None:
    """One caller, until he leaves."""
    async with await livekit.connect(url, token) as room:
        # "native", or "sdk" where the native participant cannot serve: then a warning says why.
        print(f"in room {room.name}, media: {room.media_path}", flush=True)
        session = VoiceSession(agent=agent, stt="pocketsphinx", tts="piper")
        session.on("user_input_transcribed", lambda event: print(f"caller: {event.transcript}", flush=True))
        await session.start(room)
        await session.say("Hello! Ask me about the weather.")
        await session.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"]))
