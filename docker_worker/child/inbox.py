"""What a child said and nobody has taken yet."""

from __future__ import annotations

from threading import Condition

from docker_worker.child.protocol import FromChild


class Inbox:
    """Holds one frame, from one thread for another: a child that floods is held up, and not stored."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._frame: FromChild | None = None
        self._finished = False
        self._abandoned = False

    def put(self, frame: FromChild) -> None:
        """Wait until the one before was taken. Once it is abandoned, frames are dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is None or self._abandoned)
            if not self._abandoned:
                self._frame = frame
                self._changed.notify_all()

    def take(self, seconds: float) -> FromChild | None:
        """``None`` where none came in time, or none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._finished, seconds)
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def finish(self) -> None:
        """No more will come."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """What comes from now on is not wanted, nor what came."""
        with self._changed:
            self._abandoned, self._frame = True, None
            self._changed.notify_all()
