from __future__ import annotations

from datetime import timedelta

import pytest

from core.ports import Clock, IdSource
from core.system import RandomIds, SystemClock
from testing.clock import EPOCH, FakeClock, SeededIds, SkippingClock
from testing.contracts.clock import ClockContract, IdSourceContract


class TestFakeClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return FakeClock()

    def test_it_moves_only_when_it_is_advanced(self) -> None:
        clock = FakeClock()
        clock.advance(1.5)

        assert (clock.now(), clock.now()) == (EPOCH + timedelta(seconds=1.5),) * 2

    def test_it_cannot_be_turned_back(self) -> None:
        with pytest.raises(ValueError, match="backwards"):
            FakeClock().advance(-1)


class TestSkippingClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return SkippingClock(FakeClock())

    def test_it_is_the_other_clock_plus_what_was_skipped(self) -> None:
        base = FakeClock()
        clock = SkippingClock(base)
        clock.advance(100)
        base.advance(1)

        assert clock.now() == base.now() + timedelta(seconds=100)

    def test_it_cannot_be_turned_back(self) -> None:
        with pytest.raises(ValueError, match="backwards"):
            SkippingClock(FakeClock()).advance(-1)


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()


class TestSeededIds(IdSourceContract):
    @pytest.fixture
    def ids(self) -> IdSource:
        return SeededIds(7)

    def test_a_seed_gives_the_same_ids_and_jitter_again(self) -> None:
        one, again, other = SeededIds(7), SeededIds(7), SeededIds(8)

        assert (one.new_id(), one.jitter()) == (again.new_id(), again.jitter()) != (other.new_id(), other.jitter())


class TestRandomIds(IdSourceContract):
    @pytest.fixture
    def ids(self) -> IdSource:
        return RandomIds()
