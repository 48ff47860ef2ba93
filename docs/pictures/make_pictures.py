"""Makes the pictures beside it: `make docs-pictures`.

dashboard.png          the dashboard over some calls, as Chromium shows it
interrupted-turn.png   the trace of a turn that the caller talked over, from the spans that OpenTelemetry was given
"""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from PIL import Image
from support.browser_page import BrowserPage
from support.told import Told

from beluga_voice import LocalCall, TokensUsed, ToolFinished, ToolStarted, Turn, VoiceSession
from beluga_voice.commands import Command
from beluga_voice.telemetry import Telemetry
from beluga_voice.testing import (
    Answered,
    FakeSpeechToText,
    FakeTextToSpeech,
    Say,
    ScriptedCaller,
    Silence,
    TalkOver,
    run,
)

HERE = Path(__file__).parent
COLOURS = 64

ANSWERS = (
    "gold hand iron jump kite lamp milk.",
    "nest open pink. quiz rose salt tree unit.",
    "zero acid belt corn dust.",
)
HANDLING = {"endpointing": {"min_delay": 0.4}, "interruption": {"min_duration": 0.2}}
SPAN_COLOURS = {
    "turn": "#8a94a6",
    "stt": "#3b7dd8",
    "invoke_agent": "#c58a1a",
    "execute_tool": "#e0b96a",
    "tts": "#8a5bc7",
    "playout": "#1a9a6c",
}


def save(name: str, png: bytes) -> None:
    """With few colours, as such pictures have, they are a third as long."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    path = HERE / name
    picture.save(path, optimize=True)
    print(f"{path.relative_to(Path.cwd())}: {path.stat().st_size / 1000:.0f} kB")


# -- the dashboard ----------------------------------------------------------------------------------------------------


def caller_of(seed: int) -> ScriptedCaller:
    """Somebody who asks three things, and talks over the agent in some of them."""
    chance = random.Random(seed)
    steps: list[Say | Silence | Answered | TalkOver] = [Silence(0.2 + chance.random())]
    for word in ("able bake", "calm dark echo", "fish gold"):
        steps += [Say(word), TalkOver("able calm", after=0.5), Answered()] if chance.random() < 0.4 else [Say(word)]
        steps.append(Answered())
    return ScriptedCaller([*steps, Silence(600.0)])


def agent_of(seed: int):
    """One that takes its time, now and then with a tool."""
    chance = random.Random(1_000 + seed)

    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        if chance.random() < 0.4:
            yield ToolStarted("look_up")
            await asyncio.sleep(chance.uniform(0.05, 0.2))
            yield ToolFinished("look_up", result=1)
        await asyncio.sleep(chance.uniform(0.1, 0.35))
        yield TokensUsed(chance.randrange(200, 900), chance.randrange(20, 80), model="small", provider="example")
        yield chance.choice(ANSWERS)

    return agent


async def dashboard() -> None:
    """Six calls on this machine's clock, looked at while some of them go on."""
    telemetry = Telemetry(dashboard={"port": 0})
    await telemetry.start()
    assert telemetry.dashboard is not None
    sessions: list[VoiceSession] = []
    talking: list[asyncio.Task[object]] = []
    try:
        for seed in range(6):
            chance = random.Random(seed)
            session = VoiceSession(
                agent=agent_of(seed),
                stt=FakeSpeechToText(delay=chance.uniform(0.05, 0.2)),
                tts=FakeTextToSpeech(delay=chance.uniform(0.05, 0.15)),
                vad="energy",
                turn_handling=HANDLING,
                prices={
                    "call_minute": 0.004,
                    "stt_minute": {"*": 0.006},
                    "tts_million_characters": {"*": 30.0},
                    "input_million_tokens": {"*": 0.4},
                    "output_million_tokens": {"*": 1.6},
                },
            )
            telemetry.watch(session, "local")
            call = LocalCall()
            await session.start(call)
            sessions.append(session)
            talking.append(asyncio.create_task(caller_of(seed).talk(call)))
            await asyncio.sleep(1.0)
        async with BrowserPage("chromium", width=1180, height=790) as page:
            await page.open(telemetry.dashboard.url)
            await asyncio.sleep(6.0)
            await sessions[0].aclose()
            await asyncio.sleep(2.5)
            await page.until("document.getElementById('link').textContent === 'live'")
            save("dashboard.png", await page.picture())
    finally:
        await asyncio.gather(*(session.aclose() for session in sessions))
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await telemetry.aclose()


# -- the trace --------------------------------------------------------------------------------------------------------


async def interrupted_turn(told: Told) -> None:
    """A caller who asks, hears the beginning of a long answer and talks over it."""

    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        if turn.text != "able bake":
            yield "Zero."
            return
        yield ToolStarted("look_up", call_id="1")
        await asyncio.sleep(0.18)
        yield ToolFinished("look_up", result=1, call_id="1")
        await asyncio.sleep(0.12)
        yield "gold hand iron jump kite. "
        await asyncio.sleep(0.4)
        yield "lamp milk nest open pink quiz rose salt tree unit. "
        await asyncio.sleep(5.0)
        yield "zero."

    session = VoiceSession(
        agent=agent,
        stt=FakeSpeechToText(delay=0.12),
        tts=FakeTextToSpeech(delay=0.1, word_delay=0.05),
        vad="energy",
        turn_handling=HANDLING,
    )
    told.telemetry.watch(session, "local")
    call = LocalCall()
    caller = ScriptedCaller([Say("able bake"), TalkOver("calm dark echo", after=1.6), Answered(), Silence(0.5)])
    async with session:
        await session.start(call)
        await caller.talk(call)


def trace() -> None:
    """Draws the first turn's spans one below the other."""
    told = Told()
    run(interrupted_turn(told))
    (turn, *_) = told.spans("turn")
    assert turn.context is not None
    spans = [turn]
    for span in sorted(told.spans(), key=lambda span: (span.start_time or 0, -(span.end_time or 0))):
        parents = {each.context.span_id for each in spans if each.context is not None}
        if span.parent is not None and span.parent.span_id in parents:
            spans.append(span)
    start_ns = turn.start_time or 0
    mpl.rcParams.update({"font.size": 9, "font.family": "DejaVu Sans"})
    figure, axes = plt.subplots(figsize=(10, 0.42 * len(spans) + 1.1), dpi=110)
    longest_s = max((span.end_time or 0) - start_ns for span in spans) / 1e9
    for row, span in enumerate(spans):
        began_s = ((span.start_time or 0) - start_ns) / 1e9
        lasts_s = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
        colour = SPAN_COLOURS[span.name.partition(" ")[0]]
        axes.barh(row, max(lasts_s, 0.006), left=began_s, height=0.62, color=colour)
        name = span.name.replace("interrupted_turn.<locals>.", "")
        cut = dict(span.attributes or {})
        ending = ", cut off" if cut.get("cancelled") or cut.get("interrupted") else ""
        fits = lasts_s > 0.25 * longest_s
        axes.annotate(
            f"{name}  {1000 * lasts_s:.0f} ms{ending}",
            (began_s if fits else began_s + lasts_s, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color="white" if fits else "#1d2430",
        )
        for event in span.events:
            at_s = (event.timestamp - start_ns) / 1e9
            interruption = event.name == "interruption"
            if not interruption and event.name != "first_sound":
                continue
            marker, colour = ("X", "#c0352b") if interruption else ("d", "#1d2430")
            axes.plot(at_s, row, marker, color=colour, markersize=9 if interruption else 4, markeredgecolor="white")
            if interruption:
                axes.axvline(at_s, color="#c0352b", linewidth=0.8, linestyle=":")
                axes.annotate("interruption", (at_s, -0.72), color="#c0352b", ha="center", va="bottom")
    axes.set_yticks([])
    axes.set_ylim(len(spans) - 0.4, -0.8)
    axes.set_xlabel("seconds since the caller's first voiced sample")
    axes.spines[["left", "top", "right"]].set_visible(False)
    figure.tight_layout()
    png = io.BytesIO()
    figure.savefig(png, format="png")
    plt.close(figure)
    save("interrupted-turn.png", png.getvalue())


if __name__ == "__main__":
    mpl.use("agg")
    trace()
    asyncio.run(dashboard())
