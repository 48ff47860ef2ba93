# ruff: noqa: RUF001 - the marks of other scripts are the point here
from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from beluga_voice.pipeline.sentences import SentenceSplitter

TOKENS = [
    *(
        "Hello",
        "the",
        "Dr",
        "e.g",
        "No",
        "I",
        "J",
        "U.S",
        "3",
        "14",
        "x" * 50,
        "naïve",
        "e\u0301",
        "你好",
        "今天",
        "👩\u200d🚀",
    ),
    *(
        ".",
        "...",
        "…",
        "!",
        "?",
        "?!",
        ",",
        ";",
        ":",
        "。",
        "！",
        "、",
        '"',
        "'",
        "”",
        "“",
        "(",
        ")",
        "」",
        "-",
        "\u0301",
    ),
    *(" ", "  ", "\n", "\n\n", "\t", "\u3000"),
]
TEXT = st.lists(st.one_of(st.sampled_from(TOKENS), st.text(max_size=3)), max_size=60).map("".join)


def split(deltas: list[str], max_chars: int) -> list[str]:
    splitter = SentenceSplitter(max_chars=max_chars)
    return [piece for delta in deltas for piece in splitter.push(delta)] + splitter.flush()


@given(TEXT, st.lists(st.integers(0, 200), max_size=12), st.sampled_from([20, 33, 220]))
def test_any_cutting_gives_the_same_pieces_and_no_text_is_lost(text: str, cuts: list[int], max_chars: int) -> None:
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    deltas = [text[start:end] for start, end in itertools.pairwise(places)]
    found = split(deltas, max_chars)
    assert found == split([text], max_chars)
    assert found == split(list(text), max_chars)
    assert "".join(found).strip() == text.strip()
    assert all(len(piece) <= max_chars + 1 for piece in found)


@given(TEXT, st.lists(st.booleans(), max_size=60))
def test_pauses_lose_nothing(text: str, pauses: list[bool]) -> None:
    splitter = SentenceSplitter()
    found: list[str] = []
    for character, pause in zip(text, [*pauses, *[False] * len(text)], strict=False):
        found += splitter.push(character)
        if pause:
            found += splitter.settle()
    assert "".join([*found, *splitter.flush()]).strip() == text.strip()
