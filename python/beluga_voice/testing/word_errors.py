"""How far what was understood is from what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["word_errors"]


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words substituted, left out and put in (Levenshtein); over `len(said)` it is the word error rate."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(said, 1):
        previous, row[0] = row[0], count
        for place, other in enumerate(heard, 1):
            previous, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, previous + (word != other))
    return row[-1]
