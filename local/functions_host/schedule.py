"""NCRONTAB: six fields with the seconds first, or five without them.

Sources: the reference of the timer trigger, and `NCrontab.CrontabSchedule`: a time has to fit the day of the month and
the day of the week both; days of the week are 0 (Sunday) to 6. Times are UTC, as in the cloud without
``WEBSITE_TIME_ZONE``. A range that runs backwards, and names with lists of their own, are refused rather than guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from croniter import croniter
from croniter.croniter import CroniterError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

_END = "[0-9]{1,2}|[a-z]{3,9}"
_ITEM = re.compile(rf"(?:\*|(?P<low>{_END})(?:-(?P<high>{_END}))?)(?:/(?P<step>[0-9]{{1,2}}))?")
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Field:
    """One of the six: its bounds, and names for its numbers from the least one on."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("weekday", 0, 6, DAYS),
)


class ScheduleInvalid(ValueError):
    """The text says what is wrong with which field."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """``text`` is as it was given; ``fields`` are six, without names."""

    text: str
    fields: tuple[str, ...]

    def next_due(self, after: datetime) -> datetime:
        """The first time later than ``after``, in UTC, on a whole second."""
        found: datetime = croniter(
            " ".join(self.fields), after.astimezone(UTC), day_or=False, second_at_beginning=True, ret_type=datetime
        ).get_next()
        return found


def parse_schedule(text: str) -> Schedule:
    """Raises :class:`ScheduleInvalid`."""
    if ":" in text:
        raise ScheduleInvalid(
            f"{text!r} is a time span, which only an App Service plan takes; write it as six fields, seconds first"
        )
    given = text.lower().split()
    if len(given) not in (5, 6):
        raise ScheduleInvalid(f"{text!r} has {len(given)} fields; it takes six: second minute hour day month weekday")
    six = given if len(given) == 6 else ["0", *given]
    schedule = Schedule(text, tuple(_numeric(field, part) for field, part in zip(FIELDS, six, strict=True)))
    try:
        schedule.next_due(_BEGINNING)
    except CroniterError as error:
        raise ScheduleInvalid(f"{text!r} never comes due") from error
    return schedule


def _numeric(field: Field, text: str) -> str:
    return ",".join(_numeric_item(field, item) for item in text.split(","))


def _numeric_item(field: Field, item: str) -> str:
    found = _ITEM.fullmatch(item)
    if found is None or found["step"] in ("0", "00"):
        raise ScheduleInvalid(f"{item!r} is not a {field.name}")
    ends = [_number(field, text) for text in (found["low"], found["high"]) if text is not None]
    if ends != sorted(ends):
        raise ScheduleInvalid(f"{item!r}: the smaller {field.name} comes first")
    step = f"/{found['step']}" if found["step"] else ""
    return ("-".join(map(str, ends)) or "*") + step


def _number(field: Field, text: str) -> int:
    named = [index for index, name in enumerate(field.names, field.least) if text.startswith(name)]
    number = int(text) if text.isdecimal() else next(iter(named), -1)
    if not field.least <= number <= field.most:
        raise ScheduleInvalid(f"{text!r} is not a {field.name} from {field.least} to {field.most}")
    return number
