"""What tests opened and neither closed nor kept."""

from __future__ import annotations

import gc
import sys


def forgotten() -> list[str]:
    """What garbage says of itself as it is collected, such as a socket that is open; what warns has to be an error."""
    told: list[str] = []
    before = sys.unraisablehook

    def tell(about: sys.UnraisableHookArgs) -> None:
        told.append(repr(about.exc_value))

    sys.unraisablehook = tell
    try:
        gc.collect()
    finally:
        sys.unraisablehook = before
    return told
