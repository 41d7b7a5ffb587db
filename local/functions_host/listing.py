"""What the host says about the app when it starts, in the manner of ``func start``."""

from __future__ import annotations

from collections.abc import Sequence

from local.functions_host.app import full_route, is_served
from local.functions_host.functions import IndexedFunction


def listing(functions: Sequence[IndexedFunction], url: str, prefix: str, *, enforced: bool) -> str:
    """One line a function, by name; ``enforced`` says whether keys are asked for."""
    if not functions:
        return "Functions: none"
    lines = [_line(function, url, prefix) for function in sorted(functions, key=lambda function: function.name)]
    note = "Function keys are asked for." if enforced else "Function keys are not asked for (--enable-auth does)."
    return "\n".join(["", "Functions:", "", *lines, "", note])


def _line(function: IndexedFunction, url: str, prefix: str) -> str:
    if not is_served(function):
        kinds = ", ".join(sorted({binding.type for binding in function.bindings}))
        return f"\t{function.name}: {kinds} (not run by this host yet)"
    methods = ",".join(sorted(function.methods)) if function.methods is not None else "ALL"
    level = "" if function.auth_level == "anonymous" else f" ({function.auth_level} key)"
    return f"\t{function.name}: [{methods}] {url}/{full_route(function, prefix)}{level}"
