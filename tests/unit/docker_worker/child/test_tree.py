"""Processes below a process."""

from __future__ import annotations

import os
import sys

import psutil
import pytest

from docker_worker.child import tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not list children")


def test_a_chain_of_processes_is_followed_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in between ended while they were looked for."""
    own, first, length = os.getpid(), 2**30, 5_000
    chain = {own: [first], first + length: [os.getppid()]}
    chain |= {number: [number + 1] for number in range(first, first + length)}
    monkeypatch.setattr(tree, "_children", lambda pid: list(chain.get(pid, [])))

    assert tree.tree_of(psutil.Process()) == {psutil.Process(), psutil.Process(os.getppid())}
