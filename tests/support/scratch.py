"""A scratch folder for contexts that no runner made."""

from __future__ import annotations

from core.scratch import Scratch


class OwnedScratch(Scratch):
    """Gone with the context that holds it, which in a test nobody leaves."""

    def __del__(self) -> None:
        self.__exit__(None, None, None)
