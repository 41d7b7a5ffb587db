"""``python -m docker_worker.probe``: asks the worker of this machine whether it lives; the image's health check.

Standard library only, for it starts anew each time. Exit codes: 0 for a 200, 1 for anything else, 2 for wrong use.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
from collections.abc import Mapping, Sequence

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = "8080"
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound to it
"""Where a worker is asked that listens on every address."""

TIMEOUT_SECONDS = 4.0
"""Below the 5 s that the image gives its health check, so that the reason is still told."""


def problem(port: int, host: str = DEFAULT_HOST, timeout: float = TIMEOUT_SECONDS) -> str | None:
    """Why the worker that listens on ``host`` and ``port`` does not count as living; None where it does.

    ``timeout`` in seconds is for each step: the connection, and every wait for bytes of the answer's head.
    """
    connection = http.client.HTTPConnection(LOOPBACK.get(host, host), port, timeout=timeout)
    try:
        connection.request("GET", "/livez")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from /livez on port {port}: {type(error).__name__}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"/livez on port {port} answered {status}"


def port_number(text: str) -> int:
    """Raises :class:`ValueError`."""
    port = int(text)
    if not 0 < port < 65_536:
        raise ValueError(f"{port} is no port")
    return port


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m docker_worker.probe", description="Ask whether the worker lives.")
    port = environment.get("DOCKER_HTTP_PORT", "").strip() or DEFAULT_PORT
    host = environment.get("DOCKER_HTTP_HOST", "").strip() or DEFAULT_HOST
    parser.add_argument("--port", type=port_number, default=port, help="its port (default: %(default)s)")
    found = problem(parser.parse_args(arguments).port, host)
    if found is not None:
        sys.stderr.write(f"probe: {found}\n")
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
