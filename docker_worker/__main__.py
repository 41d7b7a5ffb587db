"""``python -m docker_worker``: takes the long tasks, one at a time, until SIGTERM or SIGINT, and answers over HTTP.

The first signal ends it in order: the task saves what it has. The second one does not wait for the task.

With ``--once`` it runs one task, which comes as JSON on standard input, and writes what came of it as JSON on standard
output.

Exit codes: 0 told to stop, 1 it cannot start or could not go on, 2 wrong arguments. Where standard input is a folder
the interpreter itself ends with 1, before any of this, and writes nothing to standard output.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m docker_worker",
        description="Takes the long tasks, one at a time, until SIGTERM or SIGINT; the README has its settings.",
    )
    parser.add_argument(
        "--once", action="store_true", help="run one task: JSON on standard input, JSON on standard output"
    )
    if parser.parse_args(arguments).once:
        from docker_worker.once import main as once  # noqa: PLC0415 - it needs none of the rest

        return once()
    from docker_worker.signals import Received  # noqa: PLC0415 - asyncio, which --once does not need

    received = Received()
    received.listen()
    from docker_worker.process import run  # noqa: PLC0415 - takes a second, in which a signal may come

    return run(received)


if __name__ == "__main__":
    sys.exit(main())
