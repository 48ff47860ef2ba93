"""What is taken out of texts, and what stays."""

from __future__ import annotations

import pytest

from beluga_voice.errors import ConfigError
from beluga_voice.hooks.redactor import PersonalDataRedactor, StreamRedactor

REDACTOR = PersonalDataRedactor()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to Alice.Smith+shop@mail.example.co.uk, please.", "Write to [email], please."),
        ("It is 4111 1111 1111 1111.", "It is [card]."),
        ("It is 4111-1111-1111-1111 12 times", "It is [card] 12 times"),
        ("378282246310005 is an Amex", "[card] is an Amex"),
        ("IBAN DE89 3704 0044 0532 0130 00 is mine", "IBAN [iban] is mine"),
        ("gb29 nwbk 6016 1331 9268 19, yes", "[iban], yes"),
        ("MT84MALT011000012345MTLCAST001S", "[iban]"),
        ("SSN 078-05-1120", "SSN [ssn]"),
        ("from 192.168.0.17 and 2001:db8::8a2e:370:7334", "from [ip] and [ip]"),
        ("call +49 (30) 1234-5678 now", "call [phone] now"),
        ("call 555-867-5309", "call [phone]"),
        ("my number is five five five eight six seven five three oh nine ok", "my number is [spoken_number] ok"),
        ("it is double four one two three four five six", "it is [spoken_number]"),
    ],
)
def test_what_names_a_person_is_marked(text: str, redacted: str) -> None:
    assert REDACTOR.redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "It costs 1,250.00 euros.",
        "On 2026-11-28 at 10:30, in room 1204.",
        "one or two or three of them",
        "version 1.2.3 of it",
        "look @home at 5 pm",
        "order 123456",
    ],
)
def test_what_names_nobody_stays(text: str) -> None:
    assert REDACTOR.redact(text) == text


def test_a_number_whose_check_digit_does_not_fit_is_no_card_and_no_account() -> None:
    cards = PersonalDataRedactor(["card", "iban"])
    assert cards.redact("4111 1111 1111 1112, DE88 3704 0044 0532 0130 00") == (
        "4111 1111 1111 1112, DE88 3704 0044 0532 0130 00"
    )


def test_entities_may_be_chosen_and_patterns_added() -> None:
    redactor = PersonalDataRedactor(["email"], patterns={"order": r"\bORD-\d+\b"})
    assert redactor.redact("ORD-17 of a@b.de, 4111 1111 1111 1111") == "[order] of [email], 4111 1111 1111 1111"
    with pytest.raises(ConfigError, match=r"redaction\.entities has 'name'"):
        PersonalDataRedactor(["name"])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match=r"redaction\.patterns\.order = '\('"):
        PersonalDataRedactor(patterns={"order": "("})


def test_words_are_shown_as_soon_as_nothing_can_be_made_of_them_any_more() -> None:
    stream = StreamRedactor(REDACTOR)
    assert [stream.push(word) for word in ("it ", "is ", "4111 ", "1111 ", "1111 ", "1111 ", "thanks ", "bye")] == [
        "it ",
        "is ",
        "",
        "",
        "",
        "",
        "[card] thanks ",
        "",
    ]
    assert stream.flush() == "bye"


def test_with_patterns_of_ones_own_a_growing_text_waits_for_its_end() -> None:
    stream = StreamRedactor(PersonalDataRedactor(patterns={"order": r"order number \d+"}))
    assert stream.push("my order number ") + stream.push("17 is late") == ""
    assert stream.flush() == "my [order] is late"


@pytest.mark.parametrize("piece", ["1 ", "1", "one ", "a", "1-", "AB12 ", "1.", "a@", ":", "1 1 1 1a ", "(1) ", "+1 "])
def test_a_long_text_takes_no_time_that_grows_with_its_square(piece: str) -> None:
    """50,000 letters, as many as a caller may write: past the test's time limit it would be a way to hold a process."""
    text = piece * (50_000 // len(piece))
    assert REDACTOR.redact(text) is not None
    stream = StreamRedactor(REDACTOR)
    assert stream.push(text[:2_000]) is not None
