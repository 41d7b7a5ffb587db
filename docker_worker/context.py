"""What a handler gets in the worker."""

from __future__ import annotations

from datetime import datetime

from core.context import TaskContext
from core.limits import MAX_PROGRESS_MESSAGE
from core.outcome import storable


class DockerTaskContext(TaskContext):
    """:class:`core.context.TaskContext` in the worker's child process, where a task may take hours: its progress is
    shown with the rate since the first report of this attempt, and the time that is left at that rate.
    """

    __slots__ = ("_first",)

    _first: tuple[datetime, float] | None

    def report_progress(self, percent: float, message: str = "") -> None:
        pace = self._pace(percent)
        text = storable(message, MAX_PROGRESS_MESSAGE - len(pace) - 1)
        super().report_progress(percent, f"{text} {pace}".strip())

    def _pace(self, percent: float) -> str:
        """Empty where there is none to tell: at the first report, without progress since, and at the end."""
        now, first = self.clock.now(), getattr(self, "_first", None)
        if first is None:
            self._first = now, percent
            return ""
        seconds, done = (now - first[0]).total_seconds(), percent - first[1]
        if seconds <= 0 or done <= 0 or percent >= 100:
            return ""
        return f"({60 * done / seconds:.3g} %/min, {duration((100 - percent) * seconds / done)} left)"


def duration(seconds: float) -> str:
    """Rounded to what one plans by: seconds under two minutes, then minutes, then hours and minutes."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
