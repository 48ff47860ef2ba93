"""Headless Chromium as a caller hears an SDK sender whole and is heard: `make prove-browser-caller`.

What `make prove-traffic-rules` judges by in a browser, shown on sound that nothing of ours has touched: the delay from
mouth to ear beside that of an SDK listener in the same room, the jitter buffer's own account, a fake microphone's file.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from support.chromium_caller import ChromiumCaller
from support.sdk_caller import Heard, SdkCaller

from beluga_voice import _core
from beluga_voice.clock import now
from beluga_voice.testing import LiveKitServer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ci"))

from prepare import livekit_client  # noqa: E402 (ci/ is no package)

QUICK = os.environ.get("QUICK") == "1"
TONES = 10 if QUICK else 60
TONE_HZ, MICROPHONE_HZ = 440.0, 600.0
TONE_S = 0.5


def microphone(folder: Path) -> Path:
    """A second of a tone, a second of nothing."""
    times = np.arange(96_000) / 48_000
    sound = np.where(times < 1.0, 8_000 * np.sin(2 * np.pi * MICROPHONE_HZ * times), 0.0).astype(np.int16)
    path = folder / "microphone.wav"
    path.write_bytes(_core.write_wav(sound.tobytes(), sample_rate=48_000, channels=1))
    return path


def delays_ms(heard: Heard, said_s: list[float]) -> list[float]:
    """From mouth to ear of each tone; one that was not heard is an error."""
    found = [heard.first_sound_s(first_s) for first_s in said_s]
    return [(ear_s - mouth_s) * 1e3 for ear_s, mouth_s in zip(found, said_s, strict=True) if ear_s is not None]


def share_of(hz: float, heard: Heard) -> float:
    """Of all windows with a tone in them, those with this one."""
    found = [there for _, there in heard.tones_hz() if there is not None]
    return sum(abs(there - hz) < 15 for there in found) / max(1, len(found))


def row(who: str, delays: list[float], **more: Any) -> dict[str, Any]:
    p50, p95 = np.percentile(delays, [50, 95])
    return {"who": who, "n": len(delays), "p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1), **more}


async def measured(folder: Path) -> list[dict[str, Any]]:
    with LiveKitServer() as server:
        program = shutil.which("chromium")
        assert program is not None
        async with (
            SdkCaller(server, "ada") as ada,
            SdkCaller(server, "bob") as bob,
            ChromiumCaller(Path(program), livekit_client(), microphone=microphone(folder)) as browser,
        ):
            await asyncio.gather(ada.join("room"), bob.join("room", listen_hz=48_000))
            await browser.join(server.url, server.token("room", browser.name))
            await asyncio.gather(ada.publish(), browser.publish())
            await browser.event("listening", identity="ada")
            await bob.event("track_subscribed", identity="ada")
            await ada.event("track_subscribed", identity=browser.name)
            said_s: list[float] = []
            for _ in range(TONES):
                said = await ada.say_tone(TONE_HZ, TONE_S, at_s=now() + 0.7)
                said_s.append(said.first_s)
                await bob.silence_from("ada", since=said.last_s)
            await asyncio.sleep(0.5)
            in_browser, by_sdk = browser.heard("ada"), await bob.heard("ada")
            (stats,) = await browser.stats("ada")
            spoken = await ada.heard(browser.name)
    of_browser, of_sdk = delays_ms(in_browser, said_s), delays_ms(by_sdk, said_s)
    assert len(of_browser) == len(of_sdk) == TONES, "a tone was not heard"
    assert share_of(TONE_HZ, in_browser) > 0.9, "the browser heard another tone"
    assert share_of(MICROPHONE_HZ, spoken) > 0.9, "the browser's microphone was not heard as it is"
    buffered_ms = 1e3 * stats["jitterBufferDelay"] / stats["jitterBufferEmittedCount"]
    return [
        row("chromium", of_browser, jitter_buffer_ms=round(buffered_ms, 1), concealed=stats["concealedSamples"]),
        row("sdk", of_sdk),
    ]


def main() -> None:
    subprocess.run([sys.executable, ROOT / "ci" / "prepare.py", "livekit", "browser"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measured(Path(folder)))
    for each in rows:
        print(each)
    if where := os.environ.get("PROOF_ROWS"):
        Path(where).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
