"""One call of bench-share: a session on the local backend, and the moments of its turns.

Times are of `time.monotonic()`, on which the core stamps its events too. An event's stamp is the beginning of its tick;
a sample leaves with the frame of that tick, at its own place within the frame.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from beluga_voice import LocalCall, Turn, VoiceSession
from load.feeder import Caller, Voiced
from load.instant_components import VOICE_HZ, InstantEars, InstantVoice
from load.voiced_sound import CALLER_HZ, FRAME_S, Saying

if TYPE_CHECKING:
    from beluga_voice import _core

__all__ = ["OPUS_OUT", "Script", "ShareCall"]

OPUS_OUT = "tts_to_out (Opus)"
"""The stage that a call by packets adds to those of every call."""
MIN_DELAY_S = 0.2
MIN_INTERRUPTION_S = 0.15
# Told from within the core's own events: their age is what a user's handler sees.
_TOLD = (
    "user_state_changed",
    "agent_state_changed",
    "user_turn_started",
    "user_turn_ended",
    "interruption",
    "playout_started",
    "playout_finished",
)
_FRAME_SAMPLES = round(FRAME_S * VOICE_HZ)


@dataclass(frozen=True, slots=True)
class Script:
    """How callers and agent talk: two of three long answers are talked over by the caller's next voice."""

    stretches_s: tuple[tuple[float, float], ...]
    """What of the recording is said, one after another, each in a period."""
    period_s: float
    answer_ms: int
    long_answer_ms: int

    @property
    def talk_share(self) -> int:
        """Per cent of the time that the caller talks."""
        voiced_s = sum(end_s - start_s for start_s, end_s in self.stretches_s)
        return round(100 * voiced_s / (self.period_s * len(self.stretches_s)))


class ShareCall:
    """See the module. `samples` holds milliseconds by stage. With `output_codec` "opus" it is heard in packets."""

    def __init__(self, script: Script, *, output_codec: Literal["pcm", "opus"] = "pcm") -> None:
        self.samples: dict[str, list[float]] = defaultdict(list)
        self.caller: Caller | None = None
        self._answered: set[int] = set()
        self._script = script
        self._by_packets = output_codec == "opus"
        self._hearing: asyncio.Task[None] | None = None
        self._line = LocalCall(sample_rate=CALLER_HZ, output_sample_rate=VOICE_HZ, output_codec=output_codec)
        self._stamp_s = 0.0
        self._asked: Voiced | None = None
        self._sound_at = 0.0
        self._unheard = False
        self._interrupted: tuple[Voiced, _core.Event] | None = None
        self.session = VoiceSession(
            agent=self._answer,
            stt=InstantEars(),
            tts=InstantVoice(self._first_sound),
            vad={"provider": "silero", "min_silence_duration": MIN_DELAY_S},
            turn_handling={
                "endpointing": {"min_delay": MIN_DELAY_S},
                "interruption": {"min_duration": MIN_INTERRUPTION_S},
            },
        )
        for name in _TOLD:
            self.session.on(name, self._told)

    async def start(self) -> None:
        """Answers the call."""
        await self.session.start(self._line)
        if self._by_packets:
            self._hearing = asyncio.create_task(self._hear_packets())
        link = self.session.link
        taken = link.on_event

        def on_event(event: _core.Event) -> None:
            self._stamp_s = event.now_us / 1e6
            taken(event)
            match event.kind:
                case "playout_started":
                    self._playout_started()
                case "interrupted":
                    self._on_interrupted(event)
                case "turn_ended":
                    self._turn_ended()

        link.on_event = on_event

    def begin(self, sayings: tuple[Saying, ...], *, seed: int) -> Caller:
        """The caller, for a feeder."""
        self.caller = Caller(self.session.link.call.write_input, sayings, seed=seed)
        return self.caller

    def lost_turns(self, since_s: float) -> int:
        """Voices begun after that moment, and over for so long that they must have been answered, which were not."""
        settled_s = time.monotonic() - MIN_DELAY_S - 1.0
        voices = self.caller.voiced if self.caller is not None else []
        return sum(
            since_s < voiced.first_s and voiced.last_s < settled_s and voiced.number not in self._answered
            for voiced in voices
        )

    async def close(self) -> None:
        """Ends the call."""
        await self.session.aclose()
        if self._hearing is not None:
            await self._hearing

    # -- what happens ---------------------------------------------------------------------------------------------

    async def _answer(self, _: Turn) -> str:
        now = time.monotonic()
        voiced = self._last_voice(now)
        if voiced is None:
            return str(self._script.answer_ms)
        self.samples["eou_to_agent"].append((now - voiced.last_s - MIN_DELAY_S) * 1e3)
        self._asked = voiced
        self._answered.add(voiced.number)
        return str(self._script.long_answer_ms if voiced.number % 3 else self._script.answer_ms)

    def _last_voice(self, now: float) -> Voiced | None:
        """The newest voice of the caller that has ended."""
        voiced = self.caller.voiced if self.caller is not None else []
        return next((one for one in reversed(voiced[-2:]) if one.last_s < now), None)

    def _first_sound(self) -> None:
        self._sound_at = time.monotonic()
        self._unheard = True

    async def _hear_packets(self) -> None:
        """The first packet of an answer, as whoever sends packets has it: before it there was silence."""
        while (packet := await self._line.read_packet()) is not None:
            if packet.marker and self._unheard:
                self._unheard = False
                self.samples[OPUS_OUT].append((time.monotonic() - self._sound_at) * 1e3)

    def _told(self, _: object) -> None:
        self.samples["event"].append((time.monotonic() - self._stamp_s) * 1e3)

    def _playout_started(self) -> None:
        if self._asked is None:
            return
        # Sound that comes while a tick runs may still go out with it, and seem to be early by what that took.
        self.samples["tts_to_out"].append(max(0.0, self._stamp_s - self._sound_at) * 1e3)
        self.samples["mic_to_agent"].append((self._stamp_s - self._asked.last_s - MIN_DELAY_S) * 1e3)
        self._asked = None

    def _on_interrupted(self, event: _core.Event) -> None:
        if self.caller is not None and event.utterance is not None:
            self._interrupted = self.caller.voiced[-1], event

    def _turn_ended(self) -> None:
        """By now what was interrupted is silent and the next answer is still to come: the end can be looked up."""
        call = self.session.link.call
        if self.caller is not None:
            stats = call.stats()
            # What was left out, to catch up, was taken too.
            taken = call.ear_written - stats["input_starved_samples"] + stats["input_caught_up_samples"]
            self.samples["frame_age_in"].append((self.caller.frames - taken / 160) * FRAME_S * 1e3)
        if self._interrupted is None:
            return
        (voiced, event), self._interrupted = self._interrupted, None
        tick_end = round(event.at_s * VOICE_HZ)
        tick_start = tick_end - _FRAME_SAMPLES
        pcm, start, _ = call.read_output(tick_start - _FRAME_SAMPLES, call.output_written - tick_start)
        last = start + (len(pcm.rstrip(b"\0")) - 1) // 2
        silent_at = event.now_us / 1e6 + (last - tick_start) / VOICE_HZ
        self.samples["barge_in"].append((silent_at - voiced.first_s - MIN_INTERRUPTION_S) * 1e3)
