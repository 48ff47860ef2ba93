"""Text from outside without what breaks whoever gets it next: voices, JSON, terminals."""

from __future__ import annotations

import re

__all__ = ["plain"]

# White space stays white space; half a surrogate pair has no bytes in UTF-8; NUL ends a C string.
_SPACES = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """`text` without control characters other than tab and line breaks, and with whole characters only."""
    if text.isascii() and text.isprintable():
        return text
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _SPACES.sub(" ", text)))
