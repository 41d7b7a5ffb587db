"""Loads an app of a folder for one test, and leaves the interpreter's modules and path as they were."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from local.functions_host.functions import IndexedFunction, index_app
from local.functions_host.loading import load_app

APP_MODULES = ("function_app", "other_app")
ROOT = Path(__file__).parents[2]
BASIC = ROOT / "tests" / "support" / "apps" / "basic"
STREAMS = ROOT / "tests" / "support" / "apps" / "streams"
TRIGGERS = ROOT / "tests" / "support" / "apps" / "triggers"


@contextmanager
def own_app_module(anew: Collection[str] = ()) -> Iterator[None]:
    """Within it ``function_app`` may be imported from anywhere, and the packages ``anew`` are imported anew.

    Other packages that are imported meanwhile stay: one that came twice would not know the objects of its first time.
    """
    own = {*APP_MODULES, *anew}
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in own}
    with mock.patch.object(sys, "path", list(sys.path)):
        _forget(own)
        try:
            yield
        finally:
            _forget(own)
            sys.modules.update(before)


def _forget(packages: Collection[str]) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


def indexed_app(folder: Path) -> tuple[IndexedFunction, ...]:
    with own_app_module():
        return index_app(load_app(folder, {}))
