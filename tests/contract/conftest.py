"""Asserts in the contract suites are explained as those in test files are; the SDK of Service Bus takes short naps."""

import pytest

pytest.register_assert_rewrite("testing.contracts")


@pytest.fixture(scope="module", autouse=True)
def _short_naps(short_naps: None) -> None:
    return None
