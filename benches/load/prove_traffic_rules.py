"""What is sent while an agent is silent, judged by what listeners hear: `make prove-traffic-rules`.

Three agents speak in one room of a real livekit-server, with pauses of 0.4 to 8 s: one by the native participant, which
encodes no silence; one by it that is never silent (its pauses are noise of one bit: every frame is encoded); one over
the SDK, which is fed zeros for ever. A caller on the plain SDK and one in Chromium hear all three: for ten minutes, and
as long with 2 % of their packets lost.

An utterance is speech that begins loud, then a tone that is cut off. Where it lies in what was heard is found by
correlation with its inside, so that its front and its tail are looked for where they should be and not where something
sounds. By pieces of it: a jitter buffer that makes itself shorter or longer in the middle leaves the whole unlike.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from support.chromium_caller import ChromiumCaller
from support.media_relay import MediaRelay
from support.sdk_caller import SdkCaller

from beluga_voice import VoiceSession, livekit
from beluga_voice.clock import now
from beluga_voice.events import PlayoutMark, PlayoutStarted, SessionEvent
from beluga_voice.testing import FakeSpeechToText, LiveKitServer, NetworkConditions
from beluga_voice.text_to_speech import TextToSpeech
from bench_result import QUICK, print_table, write_proof_rows
from load.voiced_sound import CALLER_HZ, resampled, sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from support.heard import Heard

    from beluga_voice.handles import Mouth

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ci"))

from prepare import livekit_client  # noqa: E402 (ci/ is no package)

VOICE_HZ, HEARD_HZ = 24_000, 48_000
SPEECH_S, TONE_S, TONE_HZ = 1.6, 0.4, 1_000.0
PAUSE_S = (0.4, 8.0)
MINUTES = 1.5 if QUICK else 10.0
LOSS = NetworkConditions(loss_in_good=0.02)
QUALITIES = ("EXCELLENT", "GOOD", "POOR", "LOST")
# What is compared: the front, with the sound behind it.
FRONT_S = 0.02
INSIDE_S = (0.02, 0.5)
# The first of these that came as it was tells where the front is: what lies next to it, then all of the speech. No
# other place in the utterance is as much like one of them.
PIECES_S = ((0.02, 0.08), *itertools.pairwise(np.arange(FRONT_S, SPEECH_S, 0.16)))
LEAST_LIKENESS = 0.9
# Where the tone begins, by the last of the speech.
BEFORE_TONE_S = (1.1, 1.6)
BEFORE_S, LONGEST_DELAY_S = 0.1, 1.5
# A tone has ended where it is so much weaker.
ENDED_DB = -30.0


@dataclass
class Speaker:
    """An agent's side: a session, what it says, and when its mouth said it."""

    name: str
    session: VoiceSession
    voice: Tape
    _axis_s: float = float("inf")
    _marks_s: list[float] = field(default_factory=list)

    async def watch(self, events: AsyncIterator[SessionEvent]) -> None:
        """The session's axis lies on the clock where its quickest event says so."""
        async for event in events:
            self._axis_s = min(self._axis_s, now() - event.at_s)
            if isinstance(event, PlayoutMark) or (isinstance(event, PlayoutStarted) and not self.voice.for_ever):
                self._marks_s.append(event.at_s - 0.01)

    @property
    def mouth_s(self) -> list[float]:
        """When it said each utterance, monotonic clock."""
        return [self._axis_s + mark_s for mark_s in self._marks_s]


class Tape(TextToSpeech):
    """Says the utterance; or, `for_ever`, it again and again, with pauses that are never silent."""

    def __init__(self, utterance: NDArray[np.int16], *, pauses_s: list[float] | None = None) -> None:
        self.utterance = utterance
        self._pauses_s = pauses_s

    @property
    def for_ever(self) -> bool:
        return self._pauses_s is not None

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        if self._pauses_s is None:
            await mouth.write(self.utterance, sample_rate=VOICE_HZ)
            return
        rng = np.random.default_rng(1)
        for pause_s in self._pauses_s:
            bits = rng.choice(np.array([-1, 1], np.int16), round(pause_s * VOICE_HZ))
            await mouth.write(bits, sample_rate=VOICE_HZ)
            mouth.mark("utterance")
            await mouth.write(self.utterance, sample_rate=VOICE_HZ)


def utterance() -> NDArray[np.int16]:
    """At 24 kHz."""
    at_voice_hz = resampled(sentence(SPEECH_S), CALLER_HZ, VOICE_HZ)[: round(SPEECH_S * VOICE_HZ)]
    times = np.arange(round(TONE_S * VOICE_HZ)) / VOICE_HZ
    tone = 8_000 * np.sin(2 * np.pi * TONE_HZ * times) * np.minimum(1.0, times / 0.01)
    return np.concatenate([at_voice_hz, tone.astype(np.int16)])


# -- what was heard ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """One utterance as it was heard."""

    delay_ms: float
    front_db: float
    """The first 20 ms against what was said, both against the sound behind it."""
    tail_ms: float


def find(heard: Heard, mouth_s: float, said: NDArray[np.float64]) -> Found | None:
    """`said`: at the rate of what was heard. None where it was not heard."""
    rate = heard.sample_rate
    window = heard.between(mouth_s - BEFORE_S, mouth_s + SPEECH_S + TONE_S + LONGEST_DELAY_S)
    sound = window.samples.astype(np.float64)
    if len(sound) < len(said):
        return None
    begins = _begins(sound, said, rate)
    if begins is None:
        return None
    size = window.frame_samples
    heard_s = float(window.arrivals_s[begins // size]) + begins % size / rate
    front = round(FRONT_S * rate)
    inside = slice(*(round(at_s * rate) for at_s in INSIDE_S))
    gain_db = _db(sound[begins:][inside]) - _db(said[inside])
    front_db = _db(sound[begins : begins + front]) - _db(said[:front]) - gain_db
    return Found((heard_s - mouth_s) * 1e3, front_db, _tail_ms(sound, begins, said, rate))


def _begins(sound: NDArray[np.float64], said: NDArray[np.float64], rate: int) -> int | None:
    for start_s, end_s in PIECES_S:
        first, end = round(start_s * rate), round(end_s * rate)
        at, likeness = _place(sound[: end + round((BEFORE_S + LONGEST_DELAY_S) * rate)], said[first:end])
        if likeness >= LEAST_LIKENESS and at >= first:
            return at - first
    return None


def _tail_ms(sound: NDArray[np.float64], begins: int, said: NDArray[np.float64], rate: int) -> float:
    before = said[round(BEFORE_TONE_S[0] * rate) : round(BEFORE_TONE_S[1] * rate)]
    around = round(0.1 * rate)
    guess = begins + round(BEFORE_TONE_S[0] * rate)
    at, _ = _place(sound[guess - around : guess + around + len(before)], before)
    tone_at = guess - around + at + len(before)
    ends = tone_at + round(TONE_S * rate)
    level = _db(sound[tone_at + round(0.1 * rate) : ends - round(0.05 * rate)])
    step = rate // 500
    later = sound[ends : ends + round(0.35 * rate)]
    steps = later[: len(later) // step * step].reshape(-1, step)
    loud = [k for k, piece in enumerate(steps) if _db(piece) > level + ENDED_DB]
    return (loud[-1] + 1) * 2.0 if loud else 0.0


def _place(sound: NDArray[np.float64], piece: NDArray[np.float64]) -> tuple[int, float]:
    """Where `piece` lies in `sound`, and how alike they are there: 1 is the same."""
    size = 1 << (len(sound) + len(piece)).bit_length()
    product = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(piece, size))
    correlation = np.fft.irfft(product, size)[: len(sound) - len(piece) + 1]
    powers = np.concatenate([[0.0], np.cumsum(sound**2)])
    power = powers[len(piece) :] - powers[: -len(piece)]
    alike = correlation / np.sqrt(np.maximum(power, 1.0) * np.sum(piece**2))
    at = int(np.argmax(alike))
    return at, float(alike[at])


def _db(sound: NDArray[np.float64]) -> float:
    return 10 * float(np.log10(max(1e-3, float(np.mean(sound**2)) if len(sound) else 0.0)))


# -- the room ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def speaker(server: LiveKitServer, name: str, media: Any, voice: Tape) -> AsyncIterator[Speaker]:
    token = server.token("room", name, kind="agent")
    async with await livekit.connect(server.url, token, options=livekit.RoomOptions(media=media)) as room:
        session = VoiceSession(agent=lambda _: "able", stt=FakeSpeechToText(), tts=voice, vad="energy")
        speaking = Speaker(name, session, voice)
        watching = asyncio.create_task(speaking.watch(session.events()))
        call = livekit.RoomCall(
            room, participant_identity="ada", audience="room", sample_rate=VOICE_HZ, transcription=False
        )
        await session.start(call)
        try:
            yield speaking
        finally:
            await session.aclose()
            await watching


async def listened(network: str) -> list[dict[str, Any]]:
    """One run, all agents at all listeners."""
    rng = np.random.default_rng(11)
    said = utterance()
    # On the tick, so that marks are exact.
    count = round(MINUTES * 60 / (SPEECH_S + TONE_S + sum(PAUSE_S) / 2))
    pauses_s = {name: list(np.round(rng.uniform(*PAUSE_S, count), 2)) for name in ("native", "never_silent", "sdk")}
    program = shutil.which("chromium")
    assert program is not None
    with LiveKitServer(media_address=MediaRelay.ADDRESS) as server:
        async with contextlib.AsyncExitStack() as stack:
            relay = await stack.enter_async_context(MediaRelay(server.udp_port))
            ada = await stack.enter_async_context(SdkCaller(server, "ada"))
            chromium = await stack.enter_async_context(ChromiumCaller(Path(program), livekit_client()))
            if network == "lossy":
                await relay.network(up=NetworkConditions(), down=LOSS, seed=5)
            await ada.join("room", listen_hz=HEARD_HZ)
            await chromium.join(server.url, server.token("room", chromium.name))
            await relay.network(up=NetworkConditions(), down=NetworkConditions(), seed=9)
            speakers = [
                await stack.enter_async_context(speaker(server, "native", "native", Tape(said))),
                await stack.enter_async_context(
                    speaker(server, "never_silent", "native", Tape(said, pauses_s=pauses_s["never_silent"]))
                ),
                await stack.enter_async_context(speaker(server, "sdk", "sdk", Tape(said))),
            ]
            for each in speakers:
                await ada.event("track_subscribed", identity=each.name)
                await chromium.event("listening", identity=each.name)
            print(f"{network}: {MINUTES:g} minutes, {count} utterances of each", flush=True)
            await asyncio.gather(*(_speak(each, pauses_s[each.name]) for each in speakers))
            await asyncio.sleep(LONGEST_DELAY_S + 0.5)
            names = [each.name for each in speakers]
            heard = {("sdk", name): await ada.heard(name) for name in names}
            heard |= {("chromium", name): chromium.heard(name) for name in names}
            events = [("sdk", event) for event in ada.events] + [("chromium", event) for event in chromium.events]
            qualities = [
                (listener, event["identity"], event["quality"])
                for listener, event in events
                if event["event"] == "connection_quality_changed"
            ]
    rows: list[dict[str, Any]] = []
    at_heard_hz = resampled(said, VOICE_HZ, HEARD_HZ).astype(np.float64)
    for listener in ("sdk", "chromium"):
        for each in speakers:
            found = [find(heard[listener, each.name], at_s, at_heard_hz) for at_s in each.mouth_s]
            there = [one for one in found if one is not None]
            told = [(whose, quality) for whom, whose, quality in qualities if whom == listener]
            rows.append(_row(network, listener, each.name, len(found), there, told))
    return rows


async def _speak(speaking: Speaker, pauses_s: list[float]) -> None:
    if speaking.voice.for_ever:
        await speaking.session.say("able")
        return
    for pause_s in pauses_s:
        await asyncio.sleep(pause_s)
        await speaking.session.say("able")


def _row(
    network: str, listener: str, who: str, said: int, found: list[Found], told: list[tuple[str, str]]
) -> dict[str, Any]:
    delays = np.array([one.delay_ms for one in found])
    fronts = np.array([one.front_db for one in found])
    tails = np.array([one.tail_ms for one in found])

    def at(values: NDArray[np.float64], percent: float) -> float:
        return round(float(np.percentile(values, percent)), 2) if len(values) else float("nan")

    return {
        "network": network,
        "listener": listener,
        "who": who,
        "said": said,
        "heard": len(found),
        "mouth_to_ear_ms_p50": at(delays, 50),
        "mouth_to_ear_ms_p95": at(delays, 95),
        "early_ms_p50": at(delays[10:30], 50),
        "last_ms_p50": at(delays[-20:], 50),
        "front_db_p50": at(fronts, 50),
        "front_db_p10": at(fronts, 10),
        "tail_ms_p50": at(tails, 50),
        "tail_ms_p95": at(tails, 95),
        "qualities_told": len(told),
        "qualities_unknown": sum(quality not in QUALITIES for _, quality in told),
        "poor_or_lost": sum(whose == who and quality in ("POOR", "LOST") for whose, quality in told),
    }


# -- the rules -----------------------------------------------------------------------------------------------------


def broken(rows: list[dict[str, Any]]) -> list[str]:
    """What the issue asks for and the rows do not show."""
    found: list[str] = []
    for row in rows:
        who = f"{row['who']} at {row['listener']}, {row['network']}"
        never_silent = next(
            each
            for each in rows
            if (each["who"], each["listener"], each["network"]) == ("never_silent", row["listener"], row["network"])
        )
        rules = {
            "an utterance was not heard": row["heard"] == row["said"],
            "the front is off by over 1 dB": abs(row["front_db_p50"]) <= 1.0,
            "a tenth of the fronts is over 3 dB down": row["front_db_p10"] >= -3.0,
            # The server tells each who joins, and whoever listens to him.
            "no quality was told": row["qualities_told"] > 0,
            "a quality was told that is not known": row["qualities_unknown"] == 0,
            "POOR or LOST was told": row["poor_or_lost"] == 0,
        }
        if row["network"] == "clean":
            rules |= {
                "a cut tone rings on": row["tail_ms_p50"] <= 30.0,
                "the delay grows": QUICK or row["last_ms_p50"] <= row["early_ms_p50"] + 20.0,
            }
            if row["who"] == "native":
                rules["later than who is never silent"] = (
                    row["mouth_to_ear_ms_p50"] <= never_silent["mouth_to_ear_ms_p50"] + 10.0
                )
        found += [f"{who}: {rule}" for rule, holds in rules.items() if not holds]
    return found


def main() -> None:
    subprocess.run([sys.executable, ROOT / "ci" / "prepare.py", "livekit", "browser"], check=True)
    networks = os.environ.get("NETWORKS", "clean,lossy").split(",")
    rows = [row for network in networks for row in asyncio.run(listened(network))]
    print_table(rows)
    write_proof_rows(rows)
    if wrong := broken(rows):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
