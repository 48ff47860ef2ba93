"""What was understood, before anyone believes it."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from types import NoneType
from typing import Literal, cast

from beluga_voice.errors import ComponentError
from beluga_voice.pipeline.plain_text import plain
from beluga_voice.speech_to_text import Transcript

__all__ = ["checked_transcript"]

# Half an hour of speech: nobody's turn is longer.
_LONGEST_CHARS = 50_000


def checked_transcript(said: object, *, component: Literal["stt", "s2s"] = "stt") -> Transcript:
    """`said`, its text fit to be shown, stored and sent.

    Raises ComponentError invalid_response for what is no transcript, malformed_response for one beyond all measure.
    """

    def fault(code: str, message: str) -> ComponentError:
        return ComponentError(message, component=component, code=code, operation="stream")

    if not isinstance(said, Transcript):
        raise fault("invalid_response", f"what was understood is a {type(said).__name__}: allowed: a Transcript")
    fields = (
        ("text", said.text, (str,)),
        ("is_final", said.is_final, (bool,)),
        ("turn_id", said.turn_id, (Integral, NoneType)),
        ("language", said.language, (str, NoneType)),
        ("confidence", said.confidence, (Real, NoneType)),
    )
    for name, value, kinds in fields:
        if not isinstance(cast("object", value), kinds):
            raise fault("invalid_response", f"a transcript's {name} is a {type(value).__name__}")
    if said.confidence is not None and not 0.0 <= said.confidence <= 1.0:
        raise fault("invalid_response", f"a transcript's confidence is {said.confidence}: allowed: from 0 to 1")
    if len(said.text) > _LONGEST_CHARS:
        raise fault("malformed_response", f"a transcript of {len(said.text)} letters: allowed: {_LONGEST_CHARS}")
    text = plain(said.text)
    return said if text == said.text else replace(said, text=text)
