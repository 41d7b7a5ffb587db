from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.local.client.fake_service import FakeService, serving


@pytest.fixture
def service() -> Iterator[FakeService]:
    with serving(FakeService()) as found:
        yield found
