# ruff: noqa: RUF001 - the marks of other scripts are the point here
from __future__ import annotations

import pytest

from beluga_voice.pipeline.sentences import SentenceSplitter


def pieces(text: str, **options: int) -> list[str]:
    splitter = SentenceSplitter(**options)
    return [piece.strip() for piece in [*splitter.push(text), *splitter.flush()]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ("Ask Dr. Smith, Mr. J. Doe or Prof. Lee. Now.", ["Ask Dr. Smith, Mr. J. Doe or Prof. Lee.", "Now."]),
        ("Pi is 3.14. It costs $2.50 today.", ["Pi is 3.14.", "It costs $2.50 today."]),
        ("Fruit, e.g. Apples. Good.", ["Fruit, e.g. Apples.", "Good."]),
        ("Take No. 5. No. I will not.", ["Take No. 5.", "No.", "I will not."]),
        ("Well... I think so. Wait... what?", ["Well...", "I think so.", "Wait... what?"]),
        ("Hmm… Let me see.", ["Hmm…", "Let me see."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("“Really?” She nodded. (Yes.) Good.", ["“Really?”", "She nodded.", "(Yes.)", "Good."]),
        ("What?! No!! Go.", ["What?!", "No!!", "Go."]),
        ("你好。今天好吗?「好。」再见!", ["你好。", "今天好吗?「好。」", "再见!"]),
        ("你好。今天好吗？「好。」再见！", ["你好。", "今天好吗？", "「好。」", "再见！"]),
        ("One line\nanother line\n\n- an item", ["One line", "another line", "- an item"]),
        ("1. Open the lid. 2. Close it.", ["1. Open the lid.", "2. Close it."]),
        ("See example.com or v1.2.3 today. Bye.", ["See example.com or v1.2.3 today.", "Bye."]),
        ("So do I. You?", ["So do I.", "You?"]),
        ("Meet at 5 p.m. Then go.", ["Meet at 5 p.m.", "Then go."]),
        ("No stop at all", ["No stop at all"]),
        ("- - -\nText.", ["- - -\nText."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_a_sentence_comes_as_soon_as_the_next_one_begins() -> None:
    splitter = SentenceSplitter()
    assert splitter.push("Hello there") == []
    assert splitter.push(".") == []
    assert splitter.push(" ") == []
    assert splitter.push("H") == ["Hello there. "]
    assert splitter.push("i!\n") == ["Hi!\n"]


def test_an_agent_that_pauses_after_a_sentence_is_heard() -> None:
    splitter = SentenceSplitter()
    splitter.push("One moment.")
    assert splitter.settle() == ["One moment."]
    splitter.push(" Let me ask Dr.")
    assert splitter.settle() == []
    splitter.push(" Who and")
    assert splitter.settle() == []
    assert splitter.flush() == [" Let me ask Dr. Who and"]
    assert splitter.flush() == []


def test_a_long_sentence_is_cut_at_a_comma_then_between_words_then_anywhere() -> None:
    with_comma = "word " * 8 + "end, " + "word " * 20
    found = pieces(with_comma, max_chars=60)
    assert found[0].endswith("end,")
    assert all(len(piece) <= 60 for piece in found)
    no_comma = pieces("word " * 40, max_chars=60)
    assert all(len(piece) <= 60 and not piece.startswith("ord") for piece in no_comma)
    assert pieces("x" * 130, max_chars=60) == ["x" * 60, "x" * 60, "x" * 10]
