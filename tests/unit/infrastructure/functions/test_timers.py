"""What timers do, and that one thing's failure keeps nothing else from being done."""

from __future__ import annotations

from typing import Any, cast

import azure.functions as func
import pytest

from core.errors import BusUnavailable
from infrastructure.backend import Backend
from infrastructure.functions.blueprint import create_trigger_blueprint
from infrastructure.settings import Settings


class Recorded:
    """A backend that writes down what it is asked to do; the bus is away where it is asked for dead letters."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def reconcile(self) -> None:
        self.done.append("reconcile")

    def collect_dead_letters(self) -> None:
        self.done.append("collect_dead_letters")
        raise BusUnavailable("away")

    def sweep(self) -> None:
        self.done.append("sweep")

    def retire(self) -> None:
        self.done.append("retire")


def timers(backend: Recorded) -> dict[str, Any]:
    app = func.FunctionApp()
    app.register_functions(create_trigger_blueprint(Settings.from_environment({}), lambda: cast("Backend", backend)))
    return {str(found.get_function_name()): found.get_user_function() for found in app.get_functions()}


def test_plain_files_of_links_are_swept_though_the_bus_is_away() -> None:
    backend = Recorded()

    with pytest.raises(BusUnavailable):
        timers(backend)["collect_dead_letters"](None)

    assert backend.done == ["collect_dead_letters", "sweep"]


@pytest.mark.parametrize("name", ["reconcile", "retire"])
def test_each_other_timer_does_what_it_is_called(name: str) -> None:
    backend = Recorded()

    timers(backend)[name](None)

    assert backend.done == [name]
