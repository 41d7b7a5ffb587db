"""``python -m benchmarks.peers NAME URL ...`` is one measured system. See :mod:`benchmarks.peers.child`."""

from __future__ import annotations

import importlib
import sys

if __name__ == "__main__":
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.peers.{name}_peer").main()
