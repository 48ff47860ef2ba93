"""Finds what names or numbers a person in a text: addresses, telephone, card and account numbers.

A number that has a check digit counts only when that fits: Luhn (ISO/IEC 7812-1) for cards, 97-10 (ISO 7064) for IBAN.
Recognisers write numbers as words, so runs of spoken digits (English) count too.
"""

from __future__ import annotations

import ipaddress
import itertools
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
_PHONE = re.compile(r"(?<![\w.])(?:\+ ?)?\(?\d(?:(?:[ ./-] ?)?\(?\d\)?){6,}(?!\w)")
_SHORTEST_PHONE = 7
_SHORTEST_CARD, _LONGEST_CARD = 13, 19
_DATE = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4}")

_SPOKEN_DIGIT = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|\d)"
_SPOKEN = re.compile(rf"(?<!\w){_SPOKEN_DIGIT}(?:[ ,-]+{_SPOKEN_DIGIT}){{6,}}(?!\w)", re.IGNORECASE)
_SPOKEN_WORD = re.compile(rf"{_SPOKEN_DIGIT}(?:-{_SPOKEN_DIGIT})*", re.IGNORECASE)

# Twice a digit, as the sum of its digits.
_DOUBLED = str.maketrans("0123456789", "0246813579")

_TOKEN = re.compile(r"\S+")
_SHORT_WORD = re.compile(r"[A-Za-z]{1,4}")
# By country, as in the registry of ISO 13616.
_COUNTRIES_BY_LENGTH = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
_IBAN_LENGTHS = {country: length for length, names in _COUNTRIES_BY_LENGTH.items() for country in names.split()}
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
    shown: list[str] = []
    taken = looked = 0
    while (match := _IBAN.search(text, looked)) is not None:
        length = _iban_in(match[0])
        if not length:
            # What begins within it may be one: the match was only as long as it could be.
            looked = match.start() + 1
            continue
        shown += text[taken : match.start()], mark
        taken = looked = match.start() + length
    return "".join([*shown, text[taken:]])


def _iban_in(found: str) -> int:
    """The length of the account number that `found` begins with; 0 if there is none."""
    for end in _iban_ends(found):
        number = found[:end].replace(" ", "").upper()
        if len(number) == _IBAN_LENGTHS.get(number[:2]) and _fits_97(number):
            return end
    return 0


def _iban_ends(text: str) -> list[int]:
    """Where an account number may end."""
    ends: list[int] = []
    letters, followed = 0, text + " "
    for group in _TOKEN.finditer(text):
        letters = letters + 1 if group[0].isalpha() else 0
        if letters > _LETTER_GROUPS:
            break
        if followed[group.end()] == " ":
            ends.append(group.end())
    return ends


def _fits_97(number: str) -> bool:
    turned = number[4:] + number[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _cards(text: str, mark: str) -> str:
    return _DIGITS.sub(lambda run: _cards_in(run[0], mark), text)


def _cards_in(run: str, mark: str) -> str:
    """A run of digits with the cards in it marked: they begin and end where a group of digits does."""
    groups = [(group.start(), group.end()) for group in re.finditer(r"\d+", run)]
    digits = re.sub(r"\D", "", run)
    # How many digits stand before each group, and before the end.
    before = list(itertools.accumulate((end - start for start, end in groups), initial=0))
    shown: list[str] = []
    first = taken = 0
    while first < len(groups):
        for last in range(min(first + _LONGEST_CARD, len(groups)) - 1, first - 1, -1):
            length = before[last + 1] - before[first]
            if length < _SHORTEST_CARD:
                break
            if length <= _LONGEST_CARD and _fits_luhn(digits[before[first] : before[last + 1]]):
                shown += run[taken : groups[first][0]], mark
                first, taken = last, groups[last][1]
                break
        first += 1
    return "".join([*shown, run[taken:]])


def _fits_luhn(digits: str) -> bool:
    plain, doubled = digits[-1::-2], digits[-2::-2].translate(_DOUBLED)
    return sum(map(int, plain + doubled)) % 10 == 0


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
