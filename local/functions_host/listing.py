"""What the host says about the app when it starts, in the manner of ``func start``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from local.functions_host.app import full_route
from local.functions_host.functions import IndexedFunction
from local.functions_host.host import HostedFunction, HttpFunction, IdleFunction, QueueFunction, TimerFunction


def listing(functions: Sequence[HostedFunction], url: str, prefix: str, *, enforced: bool) -> str:
    """One line a function: HTTP, queues, timers, the rest, each by name. ``enforced``: whether keys are asked for."""
    if not functions:
        return "Functions: none"
    order = (HttpFunction, QueueFunction, TimerFunction, IdleFunction)
    inorder = sorted(functions, key=lambda one: (order.index(type(one)), one.function.name))
    lines = [f"\t{one.function.name}: {_about(one, url, prefix)}" for one in inorder]
    note = "Function keys are asked for." if enforced else "Function keys are not asked for (--enable-auth does)."
    return "\n".join(["", "Functions:", "", *lines, "", note])


def _about(hosted: HostedFunction, url: str, prefix: str) -> str:
    match hosted:
        case HttpFunction(function):
            return _http(function, url, prefix)
        case QueueFunction(_, trigger, lanes, _):
            return f"{trigger.entity} of {trigger.connection}, {lanes} at a time"
        case TimerFunction(_, trigger, listener):
            startup = "at startup, " if trigger.run_on_startup else ""
            return f"timer {trigger.schedule}, {startup}next {listener.state.next_due:%Y-%m-%d %H:%M:%S}Z"
        case IdleFunction(_, why, _):
            return why
        case _:
            assert_never(hosted)


def _http(function: IndexedFunction, url: str, prefix: str) -> str:
    methods = ",".join(sorted(function.methods)) if function.methods is not None else "ALL"
    level = "" if function.auth_level == "anonymous" else f" ({function.auth_level} key)"
    return f"[{methods}] {url}/{full_route(function, prefix)}{level}"
