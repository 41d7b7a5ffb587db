from __future__ import annotations

import threading

from local.functions_host.server import LoopThreads


def test_a_call_that_comes_back_in_a_moment_is_not_cut_off() -> None:
    threads, begun, may_end = LoopThreads(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        may_end.wait()

    future = threads.submit(call)
    begun.wait()
    while_it_runs = threads.busy(0.0)
    threads.shutdown()
    may_end.set()

    assert while_it_runs == 1
    assert threads.busy(60.0) == 0
    assert future.result() is None
