"""The demo: a scripted caller rings the museum."""

from __future__ import annotations

import asyncio
import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.call_run import CallRecord, CallView, run_call
from beluga_voice.simulation.caller_voice import CALLER_HZ, CallerVoice
from beluga_voice.simulation.script import DEMO_SCRIPT, CallerScript
from beluga_voice.simulation.scripted_caller import ScriptedCaller

if TYPE_CHECKING:
    from pathlib import Path

    from beluga_voice.simulation.call_log import TurnLog
    from beluga_voice.simulation.scripted_caller import SpokenLine

__all__ = ["GREETING", "Demo", "DemoCaller", "run_demo"]

GREETING = "Harbour Museum, how can I help you?"

# A tenth of a second without the caller, at the start of a call or all in all, does no harm: at 16 kHz, and at the
# 48 kHz at which a caller in a room counts.
_STARVED_SAMPLES = 1_600
_LOST_SAMPLES = 4_800

# A turn counts as heard when this share of its words came out right; half of them carry the sense.
_HEARD_SHARE = 0.5


class DemoCaller(Protocol):
    """What a demo is told by its caller."""

    @property
    def spoken(self) -> list[SpokenLine]:
        """The lines as they were said."""
        ...

    @property
    def outcome(self) -> str:
        """How the call ended for him: "done", "unanswered" or "hung_up_on"."""
        ...


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that was played."""

    record: CallRecord
    caller: DemoCaller
    title: str = "A call to the Harbour Museum"

    def save(self, folder: Path) -> list[Path]:
        """Writes the call's files; see `CallRecord.save`."""
        return self.record.save(folder, title=self.title, caller=self.account())

    def account(self) -> dict[str, Any]:
        """What the caller meant to say and when: seconds in his own sound, which the session hears a little later."""
        return {"outcome": self.caller.outcome, "lines": [line.to_dict() for line in self.caller.spoken]}

    @property
    def overloaded(self) -> bool:
        """Whether the caller's sound had holes because this machine was too busy to play it in time."""
        counters = self.record.counters
        if "caller_lost_samples" in counters:  # a caller in a room counts them himself
            return counters["caller_lost_samples"] > _LOST_SAMPLES
        return counters["input_starved_samples"] > _STARVED_SAMPLES

    def shortcomings(self, script: CallerScript = DEMO_SCRIPT) -> list[str]:
        """What did not go as it should, in words; nothing when all went well."""
        turns, spoken = self.record.log.turns, self.caller.spoken
        found = [f"{error['source']}: {error['message']} ({error['code']})" for error in self.record.log.errors]
        if self.caller.outcome != "done" or len(spoken) < len(script.lines):
            found.append(_ending(self.caller.outcome, spoken))
        if len(turns) != len(spoken):
            found.append(f"the caller took {len(spoken)} turns, the session counted {len(turns)}")
        for number, (line, turn) in enumerate(zip(spoken, turns, strict=False), start=1):
            found += [f"turn {number} {problem}" for problem in _problems(line, turn)]
        for number, line in enumerate(spoken):
            if line.over_agent and 0 < number <= len(turns) and not turns[number - 1].interrupted:
                found.append(f"turn {number + 1} talked over the agent, and the agent did not stop")
        return found


async def run_demo(*, view: CallView | None = None, script: CallerScript = DEMO_SCRIPT) -> Demo:
    """Plays the call, about a minute in real time. Raises MissingDependencyError without the extra `local`."""
    from beluga_voice.providers.local.call import LocalCall
    from beluga_voice.session import VoiceSession
    from beluga_voice.simulation.demo_agent import MuseumLine

    session = VoiceSession(agent=MuseumLine, stt="pocketsphinx", tts="piper", vad="silero")
    utterances = await asyncio.to_thread(lambda: CallerVoice().speak(script))
    caller = ScriptedCaller(script, utterances)
    greeting = GREETING if script.waits_for_greeting else None
    call = LocalCall(sample_rate=CALLER_HZ, output_sample_rate=24_000)
    record = await run_call(session, call, caller, log=CallLog(), view=view, greeting=greeting)
    return Demo(record, caller)


def _problems(line: SpokenLine, turn: TurnLog) -> list[str]:
    if not turn.heard:
        return [f"({line.text!r}) was not heard"]
    problems: list[str] = []
    if _share_heard(line.text, turn.heard) < _HEARD_SHARE:
        problems.append(f"({line.text!r}) was heard as {turn.heard!r}")
    if not turn.said:
        problems.append(f"({line.text!r}) was not answered")
    return problems


def _share_heard(said: str, heard: str) -> float:
    """The share of the words of `said` that are in `heard`, in their order."""
    wanted, found = (re.findall(r"[a-z']+", text.lower()) for text in (said, heard))
    matched = difflib.SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks()
    return sum(block.size for block in matched) / max(1, len(wanted))


def _ending(outcome: str, spoken: list[SpokenLine]) -> str:
    last = f"turn {len(spoken)} ({spoken[-1].text!r})" if spoken else "the agent's greeting"
    if outcome == "unanswered":
        return f"the caller gave up waiting after {last}"
    return f"the call ended early, after {last}"
