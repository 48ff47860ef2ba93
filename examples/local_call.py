"""A call in your own program: plays a WAV to an agent and writes what the caller hears.

python examples/local_call.py tests/data/weather_question.wav answer.wav
"""

from __future__ import annotations

import asyncio
import sys
import wave
from pathlib import Path

from my_agent import agent

from beluga_voice import LocalCall, VoiceSession


async def main(question: Path, answer: Path) -> None:
    """One question, one answer."""
    with wave.open(str(question)) as file:
        sample_rate, sound = file.getframerate(), file.readframes(file.getnframes())

    call = LocalCall(sample_rate=sample_rate, output_sample_rate=24_000)
    session = VoiceSession(agent=agent, stt="pocketsphinx", tts="piper")
    answered = asyncio.Event()
    session.on("user_input_transcribed", lambda event: print(f"caller: {event.transcript}") if event.is_final else None)
    session.on("playout_finished", lambda _: answered.set())

    await session.start(call)
    asking = asyncio.create_task(call.write(sound))  # as fast as the call listens: in real time
    heard = bytearray()
    while not answered.is_set():
        chunk = await call.read(0.1)
        if chunk is None:
            break
        heard += chunk.pcm
    await asking
    await session.aclose()
    print(f"agent:  {session.history[-1].text}")

    with wave.open(str(answer), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(heard)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
