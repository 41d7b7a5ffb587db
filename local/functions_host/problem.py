"""One thing about an app that the real host or its worker would refuse."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """``code`` is stable; ``function`` and ``culprit`` say where; ``fix`` says what to do."""

    code: str
    function: str
    culprit: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.code}: function {self.function!r}: {self.message} ({self.culprit!r}). {self.fix}"
