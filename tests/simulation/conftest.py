"""The simulation's tests are quiet: the engine logs every fault that a script asks for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testing.simulation.simulate import quiet


@pytest.fixture(autouse=True)
def _no_log() -> Iterator[None]:
    with quiet():
        yield
