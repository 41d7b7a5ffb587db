"""Forms and cards as they are printed, seeded: what each of a schema's fields says, set in one of many ways."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from handlers.document.engine import Line
from handlers.document.records import PageRecord
from handlers.portal.fields.uid import check_digit
from handlers.portal.schema import FieldKind, FieldRule, PortalSchema
from tests.support.printed import piece, with_words
from tests.support.records import record

ROW, LEFT, RIGHT = 44.0, 120.0, 700.0

FIRST = ("Ravi", "Anita", "Mohammed", "Lakshmi", "Gurpreet", "Thomas", "Meena")
LAST = ("Kumar", "Sharma", "Irfan", "Venkataraman", "Singh", "D'Souza", "Kumari Devi")
STATES = ("Karnataka", "Tamil Nadu", "Uttar Pradesh", "Jammu and Kashmir", "Goa")
COURSES = ("B.Tech Computer Science", "B.A. (Hons) History", "M.Sc Physics", "Diploma in Nursing")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CITIES = ("Mysuru", "Chennai", "Lucknow", "Srinagar", "Margao")

Shown = tuple[str, str]
"""A label and what is printed as its value."""


class Form(NamedTuple):
    """A page, and the value that each field has on it, as it is to come out."""

    page: PageRecord
    wanted: Mapping[str, str]


class Value(NamedTuple):
    printed: str
    wanted: str


def form(schema: PortalSchema, seed: int) -> Form:
    """Seeds go through the layouts; people and spellings are drawn."""
    draw = random.Random(f"{schema.name}-{seed}")
    rules = schema.schema_definition.fields
    values = {rule.name: _value(rule, draw) for rule in rules}
    shown = [(_label(rule, draw), values[rule.name].printed) for rule in rules]
    lines = list(LAYOUTS[seed % len(LAYOUTS)](_among_strangers(shown, draw), draw))
    page = record(1, [with_words(line) if draw.random() < 0.7 else line for line in lines])
    return Form(page, {name: value.wanted for name, value in values.items()})


def _value(rule: FieldRule, draw: random.Random) -> Value:
    match rule.kind:
        case FieldKind.DATE:
            return _date(draw)
        case FieldKind.CHOICE:
            chosen = draw.choice(rule.choices)
            return Value(draw.choice((chosen, chosen.upper(), chosen.lower(), chosen.title())), chosen)
        case FieldKind.UID:
            return _uid(draw)
        case FieldKind.PATTERN:
            return _number(rule, draw)
        case _:
            return _text(rule, draw)


def _date(draw: random.Random) -> Value:
    day, month, year = draw.randint(1, 28), draw.randint(1, 12), draw.randint(1960, 2008)
    named = MONTHS[month - 1]
    forms = (
        f"{day:02}/{month:02}/{year}",
        f"{day:02}-{month:02}-{year}",
        f"{day}.{month}.{year}",
        f"{day:02} / {month:02} / {year}",
        f"{day:02} {named} {year}",
        f"{day:02}-{named.upper()}-{year}",
        f"{named} {day}, {year}",
        f"{year}-{month:02}-{day:02}",
    )
    return Value(draw.choice(forms), f"{day:02}/{month:02}/{year}")


def _uid(draw: random.Random) -> Value:
    digits = str(draw.randint(20_000_000_000, 99_999_999_999))
    digits += check_digit(digits)
    parts = (digits[:4], digits[4:8], digits[8:])
    return Value(draw.choice((" ", "-", "")).join(parts), f"XXXX-XXXX-{digits[8:]}")


def _number(rule: FieldRule, draw: random.Random) -> Value:
    match rule.name:
        case "application_number":
            digits = str(draw.randint(200_000_000_000, 299_999_999_999))
            return Value(draw.choice((digits, f"{digits[:4]} {digits[4:8]} {digits[8:]}")), digits)
        case "passport_number":
            number = draw.choice("AKMZ") + str(draw.randint(1_000_000, 9_999_999))
            return Value(draw.choice((number, f"{number[0]} {number[1:]}")), number)
        case "batch_year":
            return Value(*[str(draw.randint(2_018, 2_027))] * 2)
        case _:
            number = f"{draw.choice(('EN', 'R21', 'CS'))}{draw.randint(10_000, 99_999)}"
            return Value(number, number)


def _text(rule: FieldRule, draw: random.Random) -> Value:
    match rule.name:
        case "name" | "father_name" | "given_name":
            value = f"{draw.choice(FIRST)} {draw.choice(LAST)}"
            printed = draw.choice((value, value.upper()))
        case "surname":
            value = draw.choice(LAST)
            printed = draw.choice((value, value.upper()))
        case "state":
            value = printed = draw.choice(STATES)
        case "nationality":
            value = printed = draw.choice(("INDIAN", "Indian"))
        case "address":
            value = printed = f"{draw.randint(1, 99)}, {draw.choice(FIRST)} Nagar, {draw.choice(CITIES)} 570001"
        case "course" | "department":
            value = printed = draw.choice(COURSES)
        case _:
            value = printed = draw.choice(CITIES)
    match rule.case:
        case "upper":
            return Value(printed, printed.upper())
        case "title":
            return Value(printed, " ".join(word[:1].upper() + word[1:].lower() for word in printed.split()))
        case _:
            return Value(printed, printed)


def _label(rule: FieldRule, draw: random.Random) -> str:
    latin = [label for label in rule.labels if label.isascii()]
    other = [label for label in rule.labels if not label.isascii()]
    label = draw.choice(latin)
    match draw.randint(0, 5):
        case 0:
            return label.upper()
        case 1:
            return label.lower()
        case 2 if other:
            return f"{draw.choice(other)} / {label}"
        case 3 if other:
            return f"{label} / {draw.choice(other)}"
        case _:
            return label


def _among_strangers(shown: Sequence[Shown], draw: random.Random) -> list[Shown]:
    """With what such forms have besides, none of it a field of any schema."""
    others = [
        ("Mother's Name", "Sunita Devi"),
        ("Mobile No", "9876543210"),
        ("Email", "someone@example.org"),
        ("Date of Issue", "01/01/2024"),
        ("Guardian's Name", "Hari Prasad"),
        ("Blood Group", "O+"),
    ]
    mixed = list(shown)
    for other in draw.sample(others, 3):
        mixed.insert(draw.randint(0, len(mixed)), other)
    return mixed


def _inline(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """Name: Ravi Kumar"""
    for row, (label, value) in enumerate(shown):
        yield piece(f"{label}: {value}", LEFT, 100 + ROW * row)


def _spaced_colon(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """Name : Ravi Kumar"""
    for row, (label, value) in enumerate(shown):
        yield piece(f"{row + 1}. {label} : {value}", LEFT, 100 + ROW * row)


def _glued(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """Name:RAVI KUMAR"""
    for row, (label, value) in enumerate(shown):
        yield piece(f"{label}:{value}", LEFT, 100 + ROW * row)


def _columns(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """The labels in one column, the values in the next, with the colon at either."""
    for row, (label, value) in enumerate(shown):
        yield piece(label, LEFT, 100 + ROW * row)
        yield piece(draw.choice(("", ": ", ":")) + value, RIGHT, 100 + ROW * row)


def _below(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """Each value on the line under its label."""
    for row, (label, value) in enumerate(shown):
        yield piece(label + draw.choice(("", ":")), LEFT, 100 + 3 * ROW * row)
        yield piece(value, LEFT, 100 + 3 * ROW * row + 0.8 * ROW)


def _two_columns(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """Two fields side by side, each value under its label, as in a passport."""
    for number, (label, value) in enumerate(shown):
        left, top = (LEFT, RIGHT + 200)[number % 2], 100 + 3 * ROW * (number // 2)
        yield piece(label, left, top)
        yield piece(value, left, top + 0.8 * ROW)


def _side_by_side(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """Two fields in a row, label and value each in one piece."""
    for number, (label, value) in enumerate(shown):
        yield piece(f"{label}: {value}", (LEFT, RIGHT + 200)[number % 2], 100 + ROW * (number // 2))


def _hinted(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """With what is to be filled in explained: Name (in capitals): Ravi Kumar"""
    for row, (label, value) in enumerate(shown):
        yield piece(f"{label} (as in certificate): {value}", LEFT, 100 + ROW * row)


def _dotted(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """Name ........ Ravi Kumar"""
    for row, (label, value) in enumerate(shown):
        yield piece(f"{label} {'.' * draw.randint(3, 12)} {value}", LEFT, 100 + ROW * row)


def _dashed(shown: Sequence[Shown], draw: random.Random) -> Iterator[Line]:
    """Name - Ravi Kumar"""
    for row, (label, value) in enumerate(shown):
        yield piece(f"{label} {draw.choice(('-', ':-', '=', '|'))} {value}", LEFT, 100 + ROW * row)


LAYOUTS: Sequence[Callable[[Sequence[Shown], random.Random], Iterator[Line]]] = (
    _inline,
    _spaced_colon,
    _glued,
    _columns,
    _below,
    _two_columns,
    _side_by_side,
    _hinted,
    _dotted,
    _dashed,
)
