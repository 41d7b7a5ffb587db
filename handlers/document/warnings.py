"""What a reader of a page should know, as codes with values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageWarning:
    """``code`` is stable, in capitals; ``value`` is what was measured, ``None`` where the code says all."""

    code: str
    value: float | str | None = None
