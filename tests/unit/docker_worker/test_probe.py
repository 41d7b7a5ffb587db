from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docker_worker import probe

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def worker_that_answers(status: int) -> Iterator[int]:
    with worker_at("127.0.0.1", status) as port:
        yield port


@contextmanager
def worker_at(host: str, status: int) -> Iterator[int]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_args: object, **_kwargs: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    server = Server((host, 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def peer_that_says(data: bytes) -> Iterator[int]:
    """Takes one connection, sends ``data`` and leaves the connection open; with no data it is silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def take() -> None:
            taken, _ = server.accept()
            accepted.append(taken)
            taken.sendall(data)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            thread.join()
            for taken in accepted:
                taken.close()


def nobody() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_worker_that_answers_200_lives() -> None:
    with worker_that_answers(200) as port:
        assert probe.problem(port) is None


@pytest.mark.parametrize("status", [204, 302, 404, 500, 503])
def test_any_other_status_is_told(status: int) -> None:
    with worker_that_answers(status) as port:
        assert probe.problem(port) == f"/livez on port {port} answered {status}"


def test_nobody_there_is_told() -> None:
    port = nobody()

    assert probe.problem(port) == f"no answer from /livez on port {port}: ConnectionRefusedError"


def test_a_worker_that_takes_the_connection_and_is_silent_does_not_live() -> None:
    with peer_that_says(b"") as port:
        assert probe.problem(port, timeout=0.05) == f"no answer from /livez on port {port}: TimeoutError"


def test_an_answer_that_is_no_http_is_told() -> None:
    with peer_that_says(b"220 mail\r\n") as port:
        assert probe.problem(port) == f"no answer from /livez on port {port}: BadStatusLine"


def test_the_port_is_the_environments_unless_one_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with worker_that_answers(200) as port:
        assert probe.main([], {"DOCKER_HTTP_PORT": f" {port} "}) == 0
        assert probe.main(["--port", str(port)], {"DOCKER_HTTP_PORT": str(nobody())}) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("listens", "host"), [("::1", "::1"), ("::1", "::"), ("127.0.0.1", "0.0.0.0"), ("127.0.0.2", "127.0.0.2")]
)
def test_it_asks_where_the_worker_listens(listens: str, host: str) -> None:
    with worker_at(listens, 200) as port:
        assert probe.main([], {"DOCKER_HTTP_HOST": f" {host} ", "DOCKER_HTTP_PORT": str(port)}) == 0


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        probe.main([], {"DOCKER_HTTP_PORT": port})

    assert refused.value.code == 2
    assert "invalid port_number value" in capsys.readouterr().err


def test_as_a_process_it_tells_by_its_exit_code_and_imports_the_standard_library_alone() -> None:
    command = [sys.executable, "-I", "-S", "-c"]
    command += [f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r}); sys.argv[:] = ['probe', '--port', sys.argv[1]]"]
    command[-1] += "; runpy.run_module('docker_worker.probe', run_name='__main__')"
    with worker_that_answers(200) as port:
        healthy = subprocess.run([*command, str(port)], capture_output=True, text=True, check=False, timeout=60)
    sick = subprocess.run([*command, str(nobody())], capture_output=True, text=True, check=False, timeout=60)

    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert sick.returncode == 1
    assert sick.stderr.startswith("probe: no answer from /livez on port")
