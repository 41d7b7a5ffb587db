from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from infrastructure.lazy import Lazy


def test_the_value_is_made_once_for_all_threads() -> None:
    made: list[object] = []
    barrier = Barrier(8)

    def make() -> object:
        made.append(object())
        return made[-1]

    lazy = Lazy(make)

    def ask() -> object:
        barrier.wait(10)
        return lazy()

    with ThreadPoolExecutor(8) as pool:
        found = {id(future.result()) for future in [pool.submit(ask) for _ in range(8)]}

    assert (len(made), len(found)) == (1, 1)


def test_nothing_is_made_before_it_is_asked_for_and_a_failure_is_not_kept() -> None:
    answers = iter([None, 3])

    def make() -> int:
        answer = next(answers)
        if answer is None:
            raise ValueError("not yet")
        return answer

    lazy: Lazy[int] = Lazy(make)
    with pytest.raises(ValueError, match="not yet"):
        lazy()

    assert (lazy(), lazy()) == (3, 3)


def test_none_is_a_value() -> None:
    calls: list[int] = []
    lazy: Lazy[None] = Lazy(lambda: calls.append(1))
    lazy()
    lazy()

    assert calls == [1]
