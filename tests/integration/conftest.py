"""The tests over the wire do not wait for what the SDK of Service Bus waits for."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _short_naps(short_naps: None) -> None:
    return None
