"""Finds what names or numbers a person in a text: addresses, telephone, card and account numbers.

A number that has a check digit counts only when that fits: Luhn (ISO/IEC 7812-1) for cards, 97-10 (ISO 7064) for IBAN.
Recognisers write numbers as words, so runs of spoken digits (English) count too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Literal, get_args

__all__ = ["ENTITIES", "Entity", "marked", "settled"]

Entity = Literal["email", "iban", "card", "ssn", "ip", "phone", "spoken_number"]
ENTITIES: tuple[Entity, ...] = get_args(Entity)
"""In the order in which they are looked for: what an earlier one has found a later one does not see."""

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+", re.UNICODE)
_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{1,4}){2,8}")
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d)+(?!\w)")
_SSN = re.compile(r"(?<![\w-])\d{3}([- ])\d{2}\1\d{4}(?![\w-])")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_PHONE = re.compile(r"(?<![\w.])(?:\+ ?)?\(?\d(?:[ ./-]?[ ]?\(?\d\)?){6,}(?!\w)")
_SHORTEST_PHONE = 7
_DATE = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4}")

_SPOKEN_DIGIT = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|\d)"
_SPOKEN = re.compile(rf"(?<!\w){_SPOKEN_DIGIT}(?:[ ,-]+{_SPOKEN_DIGIT}){{6,}}(?!\w)", re.IGNORECASE)
_SPOKEN_WORD = re.compile(rf"{_SPOKEN_DIGIT}(?:-{_SPOKEN_DIGIT})*", re.IGNORECASE)

_TOKEN = re.compile(r"\S+")
_SHORT_WORD = re.compile(r"[A-Za-z]{1,4}")
# Groups of letters alone that follow each other in an account number, at most.
_LETTER_GROUPS = 2


def marked(text: str, entities: Iterable[Entity], mark: Callable[[Entity], str]) -> str:
    """`text` with each entity's mark in the place of what was found."""
    wanted = set(entities)
    for entity in ENTITIES:
        if entity in wanted:
            text = _FINDERS[entity](text, mark(entity))
    return text


def settled(text: str) -> int:
    """How much of `text` stays as `marked` makes it, whatever comes after it.

    What is found lies in one word, or in words each of which has a digit or is one, letters of an account number
    between them: so everything before the last such run of words is settled, and so is a run that a word has ended.
    """
    cut, active, letters = 0, False, 0
    for token in _TOKEN.finditer(text):
        if not active:
            cut = token.start()
        word = token[0].strip(".,;:!?()\"'")
        if any(character.isdigit() for character in word) or _SPOKEN_WORD.fullmatch(word) or word in ("", "+"):
            active, letters = True, 0
        elif active and _SHORT_WORD.fullmatch(word) and letters < _LETTER_GROUPS:
            letters += 1
        else:
            active = False
    return len(text) if text[-1:].isspace() and not active else cut


def _emails(text: str, mark: str) -> str:
    return _EMAIL.sub(mark, text)


def _ibans(text: str, mark: str) -> str:
    def check(found: re.Match[str]) -> str:
        for end in _iban_ends(found[0]):
            number = found[0][:end].replace(" ", "")
            if 15 <= len(number) <= 34 and _fits_97(number):
                return mark + found[0][end:]
        return found[0]

    return _IBAN.sub(check, text)


def _iban_ends(text: str) -> list[int]:
    """Where an account number may end, the longest first."""
    ends, letters, followed = [], 0, text + " "
    for group in _TOKEN.finditer(text):
        letters = letters + 1 if group[0].isalpha() else 0
        if letters > _LETTER_GROUPS:
            break
        if followed[group.end()] == " ":
            ends.append(group.end())
    return ends[::-1]


def _fits_97(number: str) -> bool:
    turned = number[4:] + number[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _cards(text: str, mark: str) -> str:
    def check(found: re.Match[str]) -> str:
        run = found[0]
        groups = [(group.start(), group.end()) for group in re.finditer(r"\d+", run)]
        for first, (start, _) in enumerate(groups):
            for _, end in reversed(groups[first:]):
                digits = re.sub(r"\D", "", run[start:end])
                if 13 <= len(digits) <= 19 and _fits_luhn(digits):
                    return run[:start] + mark + check_rest(run[end:])
        return run

    def check_rest(rest: str) -> str:
        return _DIGITS.sub(check, rest)

    return _DIGITS.sub(check, text)


def _fits_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 * (doubled > 9)
    return total % 10 == 0


def _ssns(text: str, mark: str) -> str:
    return _SSN.sub(mark, text)


def _ips(text: str, mark: str) -> str:
    def check(found: re.Match[str]) -> str:
        try:
            ipaddress.ip_address(found[0])
        except ValueError:
            return found[0]
        return mark

    return _IPV6.sub(check, _IPV4.sub(check, text))


def _phones(text: str, mark: str) -> str:
    def check(found: re.Match[str]) -> str:
        digits = sum(character.isdigit() for character in found[0])
        # More than a telephone has (E.164: 15) is one with other numbers beside it: which, nobody can tell.
        return mark if digits >= _SHORTEST_PHONE and not _DATE.fullmatch(found[0]) else found[0]

    return _PHONE.sub(check, text)


def _spoken_numbers(text: str, mark: str) -> str:
    return _SPOKEN.sub(mark, text)


_FINDERS: dict[Entity, Callable[[str, str], str]] = {
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "ssn": _ssns,
    "ip": _ips,
    "phone": _phones,
    "spoken_number": _spoken_numbers,
}
