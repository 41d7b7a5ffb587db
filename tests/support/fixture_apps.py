"""Loads an app of a folder for one test, and leaves the interpreter's modules and path as they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from local.functions_host.functions import IndexedFunction, index_app
from local.functions_host.loading import load_app

ROOT = Path(__file__).parents[2]
BASIC = ROOT / "tests" / "support" / "apps" / "basic"
STREAMS = ROOT / "tests" / "support" / "apps" / "streams"
TRIGGERS = ROOT / "tests" / "support" / "apps" / "triggers"


@contextmanager
def own_app_module() -> Iterator[None]:
    """Within it ``function_app`` may be imported from anywhere."""
    with mock.patch.object(sys, "path", list(sys.path)), mock.patch.dict(sys.modules):
        sys.modules.pop("function_app", None)
        yield


def indexed_app(folder: Path) -> tuple[IndexedFunction, ...]:
    with own_app_module():
        return index_app(load_app(folder, {}))
