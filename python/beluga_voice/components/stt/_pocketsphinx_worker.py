"""The child process that recognises: PocketSphinx holds the GIL while it decodes, so it has an interpreter of its own.

Frames both ways: one byte of kind, four bytes of length (little-endian), that many bytes.
Each frame in gets exactly one frame out, in order:

    in   O  JSON options of Config           load          out  r  ready
    in   R                                   new call      out  r  everything learnt from the last one is forgotten
    in   B                                   turn begins   out  r
    in   A  int16 LE at 16 kHz               its sound     out  p  the text so far, UTF-8
    in   E                                   turn is over  out  f  JSON: text, start_s, end_s, confidence
                                             any           out  x  what went wrong, UTF-8

End of input (the parent closed it, or died) ends the process. Imports nothing of the package: it starts fast.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import struct
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = struct.Struct("<BI")
SAMPLE_RATE_HZ = 16000
FRAMES_PER_S = 100

# The decoder normalises by the mean of what it has heard. At the start of a call that is nothing, and its built-in
# guess costs words: so the first turn's first sound is held back this long, its mean taken, and decoded then (at four
# to five times real time it has caught up soon). Measured over 30 Harvard sentences of a Piper voice, two noises:
# word error 29.5 and 33.4 % with 1.2 s, 30.3 and 34.4 without, 29.5 and 34.9 when each whole file was known beforehand.
PRIMING_BYTES = int(1.2 * SAMPLE_RATE_HZ) * 2


class Decoder(Protocol):
    """What is used of pocketsphinx.Decoder, which has no types."""

    def start_utt(self) -> None: ...
    def end_utt(self) -> None: ...
    def process_raw(self, data: bytes, no_search: bool, full_utt: bool, /) -> None: ...  # noqa: FBT001 - theirs
    def hyp(self) -> Any: ...
    def seg(self) -> Iterable[Any] | None: ...
    def get_cmn(self, update: bool, /) -> str: ...  # noqa: FBT001 - theirs
    def set_cmn(self, cmn: str, /) -> None: ...
    def reinit_feat(self) -> None: ...


class Recogniser:
    """One decoder and the turn that it is in."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._primed = False
        self._decoding = False
        self._held: bytearray | None = None

    def new_call(self) -> None:
        """Forgets the means and the noise that the last call's turns have taught it."""
        self._give_up()
        self._decoder.reinit_feat()
        self._primed = False

    def begin(self) -> None:
        """A turn begins; one that was not ended is given up."""
        self._give_up()
        self._held = bytearray()
        if self._primed:
            self._start_decoding()

    def hear(self, pcm: bytes) -> str:
        """More of the turn; returns what is understood so far."""
        if self._held is not None:
            self._held += pcm
            if len(self._held) < PRIMING_BYTES:
                return ""
            self._prime()
        else:
            self._decoder.process_raw(pcm, False, False)
        return self._text()

    def end(self) -> dict[str, Any]:
        """The turn is over; returns what was understood of it."""
        if self._held is not None:
            self._prime()
        self._end_decoding()
        text = self._text()
        words = [word for word in self._decoder.seg() or () if not word.word.startswith(("<", "["))] if text else []
        if not words:
            return {"text": text, "start_s": None, "end_s": None, "confidence": None}
        return {
            "text": text,
            "start_s": words[0].start_frame / FRAMES_PER_S,
            "end_s": (words[-1].end_frame + 1) / FRAMES_PER_S,
            # The turn's own probability is vanishingly small even when all is right; the words' are telling.
            "confidence": min(1.0, sum(word.prob for word in words) / len(words)),
        }

    def _prime(self) -> None:
        held = bytes(self._held or b"")
        # A turn that is never decoded counts as no start: the next one takes the means.
        if held:
            self._decoder.start_utt()
            self._decoder.process_raw(held, True, True)
            mean = self._decoder.get_cmn(False)
            self._decoder.end_utt()
            self._decoder.set_cmn(mean)
            self._primed = len(held) >= PRIMING_BYTES
        self._start_decoding()
        if held:
            self._decoder.process_raw(held, False, False)

    def _start_decoding(self) -> None:
        self._held = None
        self._decoder.start_utt()

        self._decoding = True

    def _end_decoding(self) -> None:
        self._decoding = False
        self._decoder.end_utt()

    def _give_up(self) -> None:
        self._held = None
        if self._decoding:
            self._end_decoding()

    def _text(self) -> str:
        hypothesis = self._decoder.hyp()
        return str(hypothesis.hypstr) if hypothesis is not None else ""


def answer(kind: bytes, payload: bytes, recogniser: Recogniser) -> tuple[bytes, bytes]:
    """The frame that answers this one."""
    if kind == b"A":
        return b"p", recogniser.hear(payload).encode()
    if kind == b"E":
        return b"f", json.dumps(recogniser.end()).encode()
    if kind == b"B":
        recogniser.begin()
    elif kind == b"R":
        recogniser.new_call()
    else:
        return b"x", b"unknown frame " + kind
    return b"r", b""


def load(options: bytes) -> Recogniser:
    """The decoder with these options of PocketSphinx's Config."""
    return Recogniser(importlib.import_module("pocketsphinx").Decoder(**json.loads(options)))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answers frames until the input ends."""
    recogniser: Recogniser | None = None
    while len(header := source.read(HEADER.size)) == HEADER.size:
        code, length = HEADER.unpack(header)
        kind, payload = bytes([code]), source.read(length)
        try:
            if kind == b"O":
                recogniser = load(payload)
                reply, body = b"r", b""
            elif recogniser is None:
                reply, body = b"x", b"no options were sent"
            else:
                reply, body = answer(kind, payload, recogniser)
        except Exception as error:  # whatever it is, the parent is to hear of it
            reply, body = b"x", f"{type(error).__name__}: {error}".encode()
        sink.write(HEADER.pack(reply[0], len(body)) + body)
        sink.flush()


def main() -> None:
    """The process."""
    # Ctrl-C goes to the whole group: the parent drains its calls and ends this process when it is done with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the native code prints must not get between the frames.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, sink)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
