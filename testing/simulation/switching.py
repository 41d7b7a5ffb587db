"""The one place that knows greenlets: code that can be left in the middle of a call and gone on with later.

A switch costs a quarter of a microsecond, so that every call to a store or a bus can be a scheduling point.
"""

from __future__ import annotations

from collections.abc import Callable

import greenlet  # type: ignore[import-untyped]


class Thread:
    """Something that runs until it switches away."""

    __slots__ = ("_greenlet",)

    def __init__(self, run: Callable[[], None] | None = None) -> None:
        self._greenlet = greenlet.getcurrent() if run is None else greenlet.greenlet(run)

    @classmethod
    def current(cls) -> Thread:
        """The one that runs now. Those that it makes come back to it when they end or raise."""
        return cls()

    def resume(self) -> None:
        """Go on with this one. What it raises, and its end, come out where its maker is."""
        self._greenlet.switch()

    def close(self) -> None:
        """Leave it for good, wherever it stands."""
        if self._greenlet:
            self._greenlet.throw(greenlet.GreenletExit)
