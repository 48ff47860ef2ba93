"""Redaction over texts that nobody thought of."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from beluga_voice.hooks.redactor import PersonalDataRedactor, StreamRedactor

REDACTOR = PersonalDataRedactor()


def luhn(digits: str) -> str:
    """`digits` and the check digit that fits."""
    for check in "0123456789":
        doubled = [int(each) * (1 + place % 2) for place, each in enumerate(reversed(digits + check))]
        if sum(each - 9 * (each > 9) for each in doubled) % 10 == 0:
            return digits + check
    raise AssertionError


def iban(country: str, account: str) -> str:
    turned = "".join(str(int(each, 36)) for each in f"{account}{country}00")
    return f"{country}{98 - int(turned) % 97:02}{account}"


def grouped(number: str, separator: str) -> str:
    return separator.join(number[start : start + 4] for start in range(0, len(number), 4))


cards = st.builds(
    lambda digits, separator: grouped(luhn("4" + digits), separator),
    st.text("0123456789", min_size=14, max_size=14),
    st.sampled_from(["", " ", "-"]),
)
ibans = st.builds(
    lambda country, account, separator: grouped(iban(country[:2], account[: int(country[2:])]), separator),
    st.sampled_from(["DE18", "GB18", "FR23", "MT27", "NO11"]),
    st.one_of(st.text("0123456789", min_size=27, max_size=27), st.from_regex(r"[A-Z]{4}[0-9]{23}", fullmatch=True)),
    st.sampled_from(["", " "]),
)
emails = st.from_regex(r"[a-z0-9._-]{1,12}[a-z0-9]@[a-z0-9]{1,12}\.(com|org|co\.uk)", fullmatch=True)
phones = st.from_regex(r"(\+[1-9][0-9] )?\(?0[0-9]{2,4}\)? [0-9]{3}[ -]?[0-9]{3,4}", fullmatch=True)
ssns = st.from_regex(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", fullmatch=True)
ips = st.ip_addresses().map(str)
DIGIT_WORDS = ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
spoken = st.lists(st.sampled_from(DIGIT_WORDS), min_size=7, max_size=20).map(" ".join)
secrets = st.one_of(cards, ibans, emails, phones, ssns, ips, spoken)
words = st.sampled_from(
    ["please", "call", "me", "at", "my", "house", "on", "the", "card", "is", "and", "3", "pm", "12"]
)


@given(before=st.lists(words, max_size=6), secret=secrets, after=st.lists(words, max_size=6))
def test_no_secret_is_left_whatever_stands_around_it(before: list[str], secret: str, after: list[str]) -> None:
    redacted = REDACTOR.redact(" ".join([*before, secret, *after]))
    assert secret not in redacted
    # And no long part of it: of a card, say, the last three groups.
    digits = "".join(each for each in secret if each.isdigit())
    if len(digits) >= 9:
        assert digits[-7:] not in "".join(each for each in redacted if each.isdigit())


odd_words = st.sampled_from(["one", "GB29", "NWBK", "6016", "+", "(", "a@b"])
texts = st.lists(st.one_of(words, secrets, st.text(max_size=8), odd_words))


@given(pieces=texts, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_a_text_that_grows_is_redacted_as_the_whole_is_however_it_is_cut(pieces: list[str], cuts: list[int]) -> None:
    text = " ".join(pieces)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    stream = StreamRedactor(REDACTOR)
    shown = "".join(stream.push(text[start:end]) for start, end in itertools.pairwise(places))
    assert shown + stream.flush() == REDACTOR.redact(text)


@given(text=st.text())
def test_any_text_is_redacted_without_an_error_and_only_once(text: str) -> None:
    once = REDACTOR.redact(text)
    assert REDACTOR.redact(once) == once
