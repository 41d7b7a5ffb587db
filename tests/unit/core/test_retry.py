from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.outcome import ErrorInfo
from core.retry import MAX_DELAY, NO_RETRY, RetryPolicy

FLAKY = ErrorInfo("FLAKY", "again", True)

policies = st.tuples(st.floats(0, 100), st.floats(0, 1_000)).map(
    lambda pair: RetryPolicy(base=pair[0], cap=pair[0] + pair[1])
)


@given(policies, st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_delay_is_between_zero_and_the_exponential_cap(policy: RetryPolicy, charged: int, jitter: float) -> None:
    delay = policy.delay(charged, jitter)

    assert 0 <= delay <= policy.cap
    if charged < 50:
        assert delay <= policy.base * 2 ** (charged - 1)


@given(policies, st.integers(1, 100), st.floats(0, 1, exclude_max=True))
def test_jitter_is_full(policy: RetryPolicy, charged: int, jitter: float) -> None:
    assert policy.delay(charged, 0.0) == 0
    assert policy.delay(charged, jitter) == pytest.approx(jitter * policy.delay(charged, 1.0))


def test_the_bound_doubles_until_the_cap() -> None:
    policy = RetryPolicy(base=2, cap=10)

    assert [policy.delay(charged, 1.0) for charged in range(1, 6)] == [2, 4, 8, 10, 10]


def test_attempts_are_bounded() -> None:
    policy = RetryPolicy(max_attempts=3)

    assert [policy.permits(FLAKY, charged) for charged in (1, 2, 3, 4)] == [True, True, False, False]
    assert not NO_RETRY.permits(FLAKY, 1)


def test_only_retryable_errors_are_tried_again() -> None:
    assert not RetryPolicy().permits(ErrorInfo("BROKEN", "", False), 1)


def test_a_code_that_the_policy_names_is_not_tried_again() -> None:
    policy = RetryPolicy(non_retryable=frozenset({"FLAKY"}))

    assert not policy.permits(FLAKY, 1)
    assert policy.permits(ErrorInfo("OTHER", "", True), 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_attempts": 0},
        {"base": -1.0},
        {"base": 5.0, "cap": 4.0},
        {"base": math.nan},
        {"cap": math.nan},
        {"cap": math.inf},
        {"cap": MAX_DELAY + 1},
    ],
)
def test_a_policy_without_sense_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RetryPolicy(**bad)  # type: ignore[arg-type]
