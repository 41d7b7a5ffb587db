"""How often a server that is away is tried, and how often that is told."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from threading import Event

import pytest

from core.errors import StoreUnavailable
from infrastructure.postgres.outage import LONGEST_PAUSE, NO_LINE_A_TRY, SHORTEST_PAUSE, TOLD_EVERY, Reconnection

AWAY = StoreUnavailable("the database does not answer")


class Time:
    """Pauses end at once, when their time has come."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], None] | None = None

    def wait(self, closed: Event, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now += seconds
        if self.meanwhile is not None:
            self.meanwhile()
        return closed.is_set()


def made(time: Time, *chances: float) -> Reconnection:
    numbers = itertools.cycle(chances or (0.0,))
    return Reconnection("db:5432/x", lambda: time.now, time.wait, lambda: next(numbers))


def fail(reconnection: Reconnection, tries: int) -> None:
    for _ in range(tries):
        assert reconnection.my_turn()
        reconnection.failed(AWAY)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_without_an_outage_nobody_pauses() -> None:
    time = Time()
    reconnection = made(time)

    for _ in range(5):
        assert reconnection.my_turn()
        reconnection.succeeded()
    assert time.pauses == []


def test_pauses_double_up_to_a_bound_and_begin_anew_with_the_next_outage() -> None:
    time = Time()
    reconnection = made(time)
    fail(reconnection, 7)

    assert time.pauses == [SHORTEST_PAUSE, 1.0, 2.0, 4.0, LONGEST_PAUSE, LONGEST_PAUSE]
    assert reconnection.my_turn()
    reconnection.succeeded()
    fail(reconnection, 2)
    assert time.pauses[-1] == SHORTEST_PAUSE


def test_chance_takes_up_to_a_half_of_a_pause() -> None:
    time = Time()
    fail(made(time, 1.0, 0.5), 4)

    assert time.pauses == [0.25, 0.75, 1.0]


def test_while_one_pauses_no_other_tries() -> None:
    time = Time()
    reconnection = made(time)
    fail(reconnection, 1)
    seen: list[bool] = []
    time.meanwhile = lambda: seen.append(reconnection.my_turn())

    assert reconnection.my_turn()
    assert seen == [False]
    assert not reconnection.my_turn()
    reconnection.broke_off()
    assert reconnection.my_turn()


def test_tries_that_were_under_way_together_make_one_pause() -> None:
    time = Time()
    reconnection = made(time)
    assert all(reconnection.my_turn() for _ in range(3))
    for _ in range(3):
        reconnection.failed(AWAY)

    fail(reconnection, 1)
    assert time.pauses == [SHORTEST_PAUSE]


def test_a_failure_is_the_news_until_the_next_try_is_due() -> None:
    time = Time()
    reconnection = made(time)
    seen = [reconnection.pausing]
    fail(reconnection, 1)
    seen.append(reconnection.pausing)
    time.now += SHORTEST_PAUSE
    seen.append(reconnection.pausing)

    assert seen == [False, True, False]


def test_an_outage_of_ten_minutes_is_told_every_half_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    time = Time()
    reconnection = made(time)
    began = time.now
    while time.now < began + 600:
        fail(reconnection, 1)
    assert reconnection.my_turn()
    reconnection.succeeded()

    told = events(caplog)
    assert (told[0], told[-1]) == ("database_away", "database_back")
    assert set(told[1:-1]) == {"database_still_away"}
    assert 600 / (TOLD_EVERY + LONGEST_PAUSE) - 1 <= len(told[1:-1]) <= 600 / TOLD_EVERY
    assert caplog.records[-1].__dict__["seconds"] >= 600
    assert caplog.records[0].__dict__["address"] == "db:5432/x"
    assert caplog.records[0].__dict__["code"] == "STORE_UNAVAILABLE"


def test_closing_ends_a_pause_and_all_tries() -> None:
    time = Time()
    reconnection = made(time)
    fail(reconnection, 1)
    time.meanwhile = reconnection.close

    assert not reconnection.my_turn()
    assert not made_closed().my_turn()


def made_closed() -> Reconnection:
    reconnection = Reconnection()
    reconnection.close()
    return reconnection


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("error connecting in %r: %s", False),
        ("reconnection attempt in pool %r failed after %s sec", False),
        ("rolling back returned connection: %s", True),
    ],
)
def test_only_psycopg_s_lines_for_tries_are_left_out(text: str, kept: bool) -> None:
    record = logging.LogRecord("psycopg.pool", logging.WARNING, "", 0, text, None, None)

    assert bool(NO_LINE_A_TRY.filter(record)) is kept
