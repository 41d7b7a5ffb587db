from __future__ import annotations

import gc
import socket
import warnings
from typing import Any

from tests.support.forgotten import forgotten


class Cycle:
    def __init__(self, holds: Any) -> None:
        self.holds = (self, holds)


def test_a_socket_that_garbage_held_open_is_told() -> None:
    gc.collect()
    Cycle(socket.socket())

    (told,) = forgotten()

    assert "unclosed <socket.socket" in told
    assert forgotten() == []


def test_what_was_closed_or_is_expected_is_not() -> None:
    gc.collect()
    with socket.socket() as closed:
        Cycle(closed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
        Cycle(socket.socket())

        assert forgotten() == []
