"""Cuts an answer that comes in pieces into what can be spoken at once: sentences, as early as each is certain."""

# ruff: noqa: RUF001 - the marks of other scripts are the point here
from __future__ import annotations

import unicodedata

__all__ = ["SentenceSplitter"]

_STOPS = ".!?…"
_CJK_STOPS = "。！？｡"
_CLOSERS = "\"'”’»)]}」』）】〉》"
_CLAUSE_MARKS = ",;:—–"
_CJK_CLAUSE_MARKS = "，、；："

# A full stop after these never ends a sentence: a name or an example follows.
_TITLES = frozenset(
    """mr mrs ms mx dr prof st rev hon gen col capt lt sgt messrs mme mlle hr fr approx ca cf vs viz e.g i.e z.b
    d.h""".split()  # noqa: SIM905 - sixty quotation marks less
)
# These are shortened where a number follows, and whole words otherwise: "No. 5", but also "No. I am not."
_COUNTED = frozenset("no nos vol fig figs p pp ch sec art".split())  # noqa: SIM905


class SentenceSplitter:
    """Text in as it comes, speakable pieces out.

    `"".join(pieces) == text`, apart from white space around the whole; how the text was cut before it came here makes
    no difference to the pieces. A sentence is certain when what follows it has begun, or a line has ended: an agent
    that pauses after a full stop has finished its sentence all the same, which is what `settle` is for.

    - `max_chars`: a sentence longer than this is cut at a comma or the like, else between words, else anywhere.
    """

    def __init__(self, *, max_chars: int = 220) -> None:
        if max_chars < 20:
            raise ValueError(f"max_chars = {max_chars}: allowed: from 20")
        self._max_chars = max_chars
        self._text = ""
        self._end: int | None = None  # where the sentence would end, if what comes next is no part of it

    def push(self, delta: str) -> list[str]:
        """More of the answer; returns the pieces that are certain by it."""
        pieces: list[str] = []
        for character in delta:
            pieces += self._take(character)
        return pieces

    def settle(self) -> list[str]:
        """The agent pauses: returns what it has said if that is a whole sentence, else nothing."""
        if self._end is None or _last_word(self._text[: self._end]).lower() in _TITLES:
            return []
        return self._cut(len(self._text))

    def flush(self) -> list[str]:
        """The answer is over: returns the rest."""
        return self._cut(len(self._text), force=True)

    def _take(self, character: str) -> list[str]:
        pieces: list[str] = []
        if self._end is not None and self._is_over(character):
            # What is between the stop and this character, white space, goes with the sentence.
            pieces = self._cut(len(self._text))
        self._text += character
        if character == "\n" and self._text.strip():
            return pieces + self._cut(len(self._text))
        self._end = self._possible_end(character)
        if len(self._text) > self._max_chars:
            pieces += self._cut(self._forced_cut(), force=True)
        return pieces

    def _possible_end(self, character: str) -> int | None:
        if character in _STOPS or character in _CJK_STOPS:
            return len(self._text)
        if self._end is None:
            return None
        if character in _CLOSERS and self._end == len(self._text) - 1:
            return len(self._text)
        return self._end if character.isspace() else None

    def _is_over(self, following: str) -> bool:
        """Whether the sentence that may end at `_end` does, now that `following` comes after it."""
        assert self._end is not None
        if following.isspace():
            return False
        touching = self._end == len(self._text)
        sentence = self._text[: self._end].rstrip(_CLOSERS)
        if sentence.endswith(tuple(_CJK_STOPS)):
            return not (touching and (following in _CLOSERS or following in _STOPS or following in _CJK_STOPS))
        if touching or following in _STOPS or (following in _CLOSERS and following not in "\"'"):
            return False
        if _is_shortening(self._text[: self._end], following):
            return False
        # "wait... what", "Yahoo! is": it goes on in lower case.
        return not following.islower()

    def _forced_cut(self) -> int:
        """Where to cut a sentence that is too long."""
        text = self._text[: self._max_chars]
        least = self._max_chars // 4
        for place in range(len(text) - 1, least, -1):
            if text[place - 1] in _CJK_CLAUSE_MARKS or (text[place].isspace() and text[place - 1] in _CLAUSE_MARKS):
                return place
        for place in range(len(text) - 1, least, -1):
            if text[place].isspace():
                return place
        place = len(text)
        # Not between a letter and its accent, nor within a joined emoji.
        while place > least and (
            unicodedata.combining(self._text[place])
            or self._text[place] in "\u200d\ufe0f"
            or text[place - 1] == "\u200d"
        ):
            place -= 1
        return place

    def _cut(self, place: int, *, force: bool = False) -> list[str]:
        piece, rest = self._text[:place], self._text[place:]
        self._end = None
        # Marks and white space alone are nothing to speak: they go with what follows.
        if not force and not any(character.isalnum() for character in piece):
            return []
        self._text = ""
        # What is left was read already, but as part of a longer whole.
        return [piece, *self.push(rest)] if piece.strip() or rest else []


def _last_word(sentence: str) -> str:
    """The word before the sentence's full stop, without it; "" if it ends otherwise."""
    words = sentence[:-1].split() if sentence.endswith(".") else []
    return words[-1].lstrip("\"'“‘«([{") if words else ""


def _is_shortening(sentence: str, following: str) -> bool:
    """Whether its full stop only shortens its last word: "Dr.", "J.", "3." at the head of a list."""
    word = _last_word(sentence)
    if word.lower() in _TITLES:
        return True
    if word.lower() in _COUNTED:
        return following.isdigit()
    if word.isdigit():
        return sentence.strip() == word + "."
    # An initial: "J. Smith".
    return len(word) == 1 and word.isascii() and word.isupper() and word != "I"
