from __future__ import annotations

from core.attempts import LEASE_MARGIN, START_SECONDS
from docker_worker.child.patience import Patience
from docker_worker.runner import LONGEST_PAUSE


def test_a_lease_is_renewed_for_as_long_as_a_handlers_process_may_take_around_its_timeout() -> None:
    patience = Patience()
    start = LONGEST_PAUSE + patience.start + patience.end
    end = patience.deadline + patience.end

    assert start + end <= START_SECONDS + LEASE_MARGIN
