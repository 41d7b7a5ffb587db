"""Durations and rates as people read them."""

from __future__ import annotations

import math

import pytest

from local.client.rates import duration, per_second


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-1.0, ""),
        (math.inf, ""),
        (math.nan, ""),
        (0.0, "0 s"),
        (0.2, "1 s"),
        (59.0, "59 s"),
        (59.5, "1:00"),
        (125.0, "2:05"),
        (3_725.0, "1:02:05"),
        (3 * 86_400.0, "3 days"),
    ],
)
def test_a_duration_reads_at_a_glance(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, ""),
        (0.0, ""),
        (math.inf, ""),
        (1234.5, "1,234/s"),
        (12.34, "12.3/s"),
        (0.5, "30.0/min"),
        (0.001, "3.6/h"),
    ],
)
def test_a_rate_has_the_unit_that_suits_it(rate: float | None, text: str) -> None:
    assert per_second(rate) == text
