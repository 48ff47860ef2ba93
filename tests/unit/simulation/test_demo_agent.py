from __future__ import annotations

import pytest

from beluga_voice.commands import EndCall, ToolFinished, ToolStarted
from beluga_voice.simulation.demo_agent import MuseumLine
from beluga_voice.turn import Turn


def answer(text: str) -> tuple[str, list[ToolFinished], bool]:
    pieces = list(MuseumLine().respond(Turn(text=text)))
    spoken = " ".join(piece for piece in pieces if isinstance(piece, str))
    tools = [piece for piece in pieces if isinstance(piece, ToolFinished)]
    assert len(tools) == sum(isinstance(piece, ToolStarted) for piece in pieces)
    return spoken, tools, any(isinstance(piece, EndCall) for piece in pieces)


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("are you open on sunday", "On Sunday we are open from eleven to five."),
        ("what time do you open on saturdays", "On Saturday we open at nine."),
        ("what time do you close on thursday", "On Thursday we close at eight."),
        ("and on monday", "On Monday we are closed."),
        ("how much is a ticket for two children", "For two children that is eight euros."),
        ("how much does a ticket cause", "For one adult that is twelve euros."),
        ("how much is it for five people", "For five adults that is 60 euros."),
    ],
)
def test_it_answers_what_a_weak_recogniser_makes_of_a_question(heard: str, said: str) -> None:
    spoken, tools, over = answer(heard)
    assert spoken == said
    assert len(tools) == 1
    assert not over


def test_the_first_answer_is_long_enough_to_be_talked_over() -> None:
    spoken, tools, _ = answer("tell me about the museum please")
    assert len(spoken.split()) > 40
    assert not tools


@pytest.mark.parametrize("heard", ["thank you very much goodbye", "thank you very much to buy"])
def test_it_ends_the_call_when_the_caller_says_goodbye(heard: str) -> None:
    assert answer(heard) == ("You are welcome. Goodbye!", [], True)


def test_what_fits_nothing_is_answered_too() -> None:
    assert answer("police dog")[0].startswith("I can tell you")
