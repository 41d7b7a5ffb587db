"""The seam to what fetches documents by URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Fetcher(Protocol):
    """Fetches what a URL names, from the hosts that the operator listed and no other. For any number of threads."""

    def fetch(self, url: str, max_bytes: int, seconds: float, should_stop: Callable[[], bool]) -> bytes:
        """The whole body, within ``seconds``, redirects included. ``should_stop`` is asked between its pieces.

        A URL may hold a secret, such as a signature that grants access: no error and no log tells it.

        Raises, for what will not pass, :class:`handlers.document.errors.FetchNotAllowed` for a URL, or a redirect,
        that leads where documents are not fetched from, :class:`handlers.document.errors.SourceNotFound`,
        :class:`handlers.document.errors.SourceAccessDenied`,
        :class:`handlers.document.errors.DocumentTooLarge` before more than ``max_bytes`` are in memory, and
        :class:`handlers.document.errors.FetchRefused` for any other answer that is no document; for what may pass,
        :class:`handlers.document.errors.FetchFailed`, :class:`handlers.document.errors.FetchTimeout`, and
        :class:`handlers.document.errors.FetchStopped` where it was asked to stop.
        """
        ...
