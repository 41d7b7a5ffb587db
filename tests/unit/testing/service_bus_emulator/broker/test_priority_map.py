from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from testing.service_bus_emulator.broker.priority_map import PriorityMap
from testing.service_bus_emulator.broker.sequence_index import SequenceIndex

STEPS = st.lists(st.tuples(st.sampled_from(["set", "discard", "pop"]), st.integers(0, 9), st.integers(0, 5)))


@given(STEPS)
def test_it_is_a_dictionary_that_gives_its_lowest_value_first(steps: list[tuple[str, int, int]]) -> None:
    found: PriorityMap[int, int] = PriorityMap()
    plain: dict[int, int] = {}
    for step, key, priority in steps:
        if step == "set":
            found.set(key, priority)
            plain[key] = priority
        elif step == "discard":
            found.discard(key)
            plain.pop(key, None)
        else:
            lowest = min(plain, key=lambda one: (plain[one], one), default=None)
            assert found.pop() == lowest
            plain.pop(lowest, None)  # type: ignore[arg-type]
        assert len(found) == len(plain)
        assert found.next() == min(plain.values(), default=None)
        assert all((one in found) == (one in plain) for one in range(10))


def test_what_moves_and_goes_leaves_nothing_behind() -> None:
    found: PriorityMap[int, int] = PriorityMap()
    for number in range(10_000):
        found.set(0, number)
        found.set(number + 1, number)
        found.discard(number + 1)

    assert len(found._heap) < 100


def test_what_only_goes_leaves_nothing_behind() -> None:
    found: PriorityMap[int, int] = PriorityMap()
    for number in range(1000):
        found.set(number, number)
    for number in range(999, 0, -1):
        found.discard(number)

    assert len(found._heap) < 100
    assert found.pop() == 0


def test_keys_are_given_until_a_limit() -> None:
    found: PriorityMap[int, str] = PriorityMap()
    for key, priority in (("c", 3), ("a", 1), ("b", 2)):
        found.set(key, priority)

    assert list(found.pop_until(2)) == ["a", "b"]
    assert found.first() == (3, "c")


@given(st.lists(st.integers(0, 200), unique=True), st.sets(st.integers(0, 200)), st.integers(0, 200))
def test_numbers_are_browsed_in_order_without_those_that_are_gone(added: list[int], gone: set[int], since: int) -> None:
    index = SequenceIndex()
    present = set(added)
    for number in added:
        index.add(number)
    for number in gone & present:
        present.discard(number)
        index.removed(present)

    for _ in range(2):
        assert list(index.since(since, present)) == sorted(number for number in present if number >= since)


def test_what_is_gone_at_the_beginning_is_passed_over_once() -> None:
    index = SequenceIndex()
    for number in range(100):
        index.add(number)
    present = set(range(60, 100))
    for _ in range(60):
        index.removed(present)

    assert list(index.since(0, present)) == list(range(60, 100))
    assert len(index._numbers) == 40
    assert index._gone == 0


def test_gone_numbers_are_swept_out() -> None:
    index = SequenceIndex()
    present: set[int] = set()
    for number in range(10_000):
        index.add(number)
        present.add(number)
        present.discard(number - 5)
        if number >= 5:
            index.removed(present)

    assert len(index._numbers) < 200
