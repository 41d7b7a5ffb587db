"""``python -m local.setup [--venv DIR]``: make the environment that everything here runs in.

Any Python 3 may start it, so this file keeps to words that an old one can read.
"""

import sys

OLDEST, NEWEST = (3, 11), (3, 13)


def unsupported(version: "tuple[int, ...]") -> "str | None":
    """What is wrong with a Python of this ``(major, minor)``; None where nothing is."""
    if OLDEST <= version <= NEWEST:
        return None
    found = ".".join(str(part) for part in version)
    return "setup: Python 3.11, 3.12 or 3.13 is needed; this is " + found + ". Name one: make PYTHON=python3.12 ..."


if __name__ == "__main__":
    problem = unsupported(sys.version_info[:2])
    if problem:
        sys.exit(problem)
    from local.environment import main

    sys.exit(main())
