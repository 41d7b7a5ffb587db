"""How a broken promise is told."""

from __future__ import annotations


class Violation(BaseException):
    """A promise of the engine, ``rule``, was broken. No handler's boundary catches it."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(f"{rule}: {found}")
        self.rule = rule
