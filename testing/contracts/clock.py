"""The contracts of :class:`core.ports.Clock` and :class:`core.ports.IdSource`."""

from __future__ import annotations

import re
from datetime import UTC, timedelta

import pytest

from core.ports import Clock, IdSource


class ClockContract:
    """Override ``clock``."""

    @pytest.fixture
    def clock(self) -> Clock:
        raise NotImplementedError

    def test_the_time_is_aware_and_in_utc(self, clock: Clock) -> None:
        now = clock.now()

        assert now.tzinfo is UTC
        assert now.utcoffset() == timedelta(0)

    def test_time_does_not_run_backwards(self, clock: Clock) -> None:
        times = [clock.now() for _ in range(100)]

        assert times == sorted(times)


class IdSourceContract:
    """Override ``ids``."""

    @pytest.fixture
    def ids(self) -> IdSource:
        raise NotImplementedError

    def test_an_id_is_32_lower_case_hex_digits(self, ids: IdSource) -> None:
        assert all(re.fullmatch("[0-9a-f]{32}", ids.new_id()) for _ in range(1_000))

    def test_no_id_comes_twice(self, ids: IdSource) -> None:
        assert len({ids.new_id() for _ in range(10_000)}) == 10_000

    def test_jitter_is_spread_over_the_unit_interval(self, ids: IdSource) -> None:
        drawn = [ids.jitter() for _ in range(2_000)]

        assert all(0 <= value < 1 for value in drawn)
        counts = [sum(low <= value * 4 < low + 1 for value in drawn) for low in range(4)]
        assert min(counts) > 350  # 500 are expected in each quarter; under 350 is 7.7 deviations away
