"""All callers of a run: one thread that hands each of them 10 ms every 10 ms, and notes how late it was.

Callers do not speak in chorus: each begins somewhere in the first period. Nor does a microphone's clock follow the
engine's tick, and a run must meet every phase of it: between two periods, in silence, a caller's clock slips by a
random number of milliseconds. A frame is handed over when its last sample would exist.
"""

from __future__ import annotations

import random
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from load.voiced_sound import FRAME_S, Saying

__all__ = ["Caller", "Feeder", "Voiced"]

_SLOT_S = 0.001
_SLOTS = round(FRAME_S / _SLOT_S)


@dataclass(frozen=True, slots=True)
class Voiced:
    """One voice of a caller on the clock of `time.monotonic()`."""

    number: int
    first_s: float
    last_s: float


class Caller:
    """Says `sayings` one after another, for ever, into `write`; belongs to the feeder's thread."""

    def __init__(self, write: Callable[[bytes], int], sayings: tuple[Saying, ...], *, seed: int) -> None:
        self.voiced: list[Voiced] = []
        """What was begun so far: appended to by the feeder, read by anyone."""
        self.frames = 0
        """Frames handed over so far."""
        self.dropped_frames = 0
        """Frames for which there was no room: the engine was a second behind."""
        self._write = write
        self._sayings = sayings
        self._frames: tuple[bytes, ...] = ()
        self._at = 0
        self._random = random.Random(seed)
        self.slot = self._random.randrange(_SLOTS)
        self._not_before = time.monotonic() + self._random.random() * len(sayings[0].frames) * FRAME_S

    def feed(self, due: float) -> bool:
        """The frame that is due; True if the caller's slot has changed after it."""
        if due < self._not_before:
            return False
        if self._at == 0:
            number = len(self.voiced)
            spoken = self._sayings[number % len(self._sayings)]
            self._frames = spoken.frames
            began = due - FRAME_S
            self.voiced.append(Voiced(number, began + spoken.first_s, began + spoken.last_s))
        if self._write(self._frames[self._at]) == 0:
            self.dropped_frames += 1
        else:
            self.frames += 1
        self._at += 1
        if self._at < len(self._frames):
            return False
        self._at = 0
        slip = self._random.randrange(_SLOTS)
        self.slot = (self.slot + slip) % _SLOTS
        self._not_before = due + FRAME_S + (slip - 0.5) * _SLOT_S
        return slip > 0


class Feeder:
    """See the module. `each_frame` is called every 10 ms as well, from this thread."""

    def __init__(self, callers: list[Caller], *, each_frame: Callable[[], None]) -> None:
        self.late_ms = array("d")
        """After each group of callers: how late the last of them was served."""
        self.cpu_s = 0.0
        """What the thread has used so far: no part of what is measured."""
        self._each_frame = each_frame
        self._slots: list[list[Caller]] = [[] for _ in range(_SLOTS)]
        for caller in callers:
            self._slots[caller.slot].append(caller)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-feeder")

    def start(self) -> None:
        """From now on the callers are heard."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        due, slot = time.monotonic() + FRAME_S, 0
        while not self._over.is_set():
            callers = self._slots[slot]
            if callers or slot == 0:
                ahead = due - time.monotonic()
                if ahead > 0:
                    time.sleep(ahead)
                if slot == 0:
                    self._each_frame()
                    self.cpu_s = time.thread_time()
            if callers:
                moved = [caller for caller in callers if caller.feed(due)]
                self.late_ms.append((time.monotonic() - due) * 1e3)
                for caller in moved:
                    callers.remove(caller)
                    self._slots[caller.slot].append(caller)
            due += _SLOT_S
            slot = (slot + 1) % _SLOTS
