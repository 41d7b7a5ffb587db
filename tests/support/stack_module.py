"""A module that the stack's processes are tried with: ``ORDER`` of its arguments says what it does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time


def main() -> None:
    order, *rest = sys.argv[1:]
    say(" ".join(["arguments", *rest]))
    if order == "fail":
        sys.exit("that is why")
    if order == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if order == "parent":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        say(f"child {child.pid}")
    say(f"ready at {order}")
    time.sleep(600)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
