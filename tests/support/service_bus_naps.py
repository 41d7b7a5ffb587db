"""The SDK of Service Bus without its long naps.

It looks every 50 or 100 ms whether a link is open, and once a second whether a connection is to be closed: half a
second for each that a test opens or closes. What it does between two looks is the same however soon they come.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

NAP_SECONDS = 0.005

NAPPING = (
    "azure.servicebus._servicebus_receiver",
    "azure.servicebus._servicebus_sender",
    "azure.servicebus._pyamqp._connection",
    "azure.servicebus._pyamqp.client",
    "azure.servicebus._pyamqp.session",
)


class ShortNaps:
    """The module ``time``, in which nobody sleeps for long."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, NAP_SECONDS))


@pytest.fixture(scope="module")
def short_naps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        for name in NAPPING:
            patched.setattr(import_module(name), "time", ShortNaps())
        yield
