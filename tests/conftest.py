"""Settings and fixtures that all tests share."""

import gc
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.forgotten import forgotten
from tests.support.postgres import (
    blank_postgres_database,
    own_postgres_database,
    postgres_database,
    postgres_server,
)
from tests.support.service_bus_naps import short_naps

__all__ = ["blank_postgres_database", "own_postgres_database", "postgres_database", "postgres_server", "short_naps"]

# The same examples every time: a test run that fails can be repeated, and one that passes does not fail tomorrow.
settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


TOLD = "told"
"""The property of a test whose value is printed at the end of the run, whichever process it ran in."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=20_000, help="how many schedules the simulation draws (20,000)")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == TOLD:
                terminalreporter.write_line(str(value))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgres: asks for the PostgreSQL of the run; set by itself, for -m postgres")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; what tests start would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


def pytest_collection_finish() -> None:
    """Modules and thousands of tests stay to the end: no collection of garbage has to walk them again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """What the tests of a file forgot to close fails its last one, and not a test that happens to run later.

    When all that holds on to it is over: fixtures, and the log that was captured.
    """
    yield
    if nextitem is None or nextitem.path != item.path:
        getattr(item, "funcargs", {}).clear()
        if told := forgotten():
            pytest.fail(f"left open by the tests of {item.path.name}: {'; '.join(told)}", pytrace=False)
