"""A value that is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar, cast

T = TypeVar("T")

_MISSING = object()


class Lazy(Generic[T]):
    """Called, gives what ``make`` made, once, however many threads ask first. Where that raises, it is tried anew."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = Lock()
        self._value: object = _MISSING

    def __call__(self) -> T:
        if self._value is _MISSING:
            with self._lock:
                if self._value is _MISSING:
                    self._value = self._make()
        return cast("T", self._value)
