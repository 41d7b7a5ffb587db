"""Asserts in the contract suites are explained as those in test files are."""

import pytest

pytest.register_assert_rewrite("testing.contracts")
