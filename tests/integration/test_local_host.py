"""The local Functions host over real HTTP, on a loopback port of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from local.functions_host.app import FunctionsApplication, endpoint_routes
from local.functions_host.auth import Keys
from local.functions_host.invocation import Invoker
from local.functions_host.routes import RouteTable
from local.functions_host.server import serving
from tests.support.fixture_apps import BASIC, ROOT, indexed_app

KEYS = Keys(master="the-master", host={"default": "the-host"}, functions={"locked": {"default": "its-own"}})


@contextmanager
def basic_host(
    keys: Keys | None = None, timeout: timedelta | None = None, prefix: str = "api", body_limit: int = 1000
) -> Iterator[httpx.Client]:
    invoker = Invoker(timeout, threads=2)
    table = RouteTable(endpoint_routes(indexed_app(BASIC), prefix))
    try:
        with (
            serving(FunctionsApplication(table, invoker, keys, body_limit)) as url,
            httpx.Client(base_url=url, timeout=20, trust_env=False) as client,
        ):
            yield client
    finally:
        invoker.close()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with basic_host() as client:
        yield client


@pytest.fixture(scope="module")
def keyed() -> Iterator[httpx.Client]:
    with basic_host(keys=KEYS) as client:
        yield client


def test_a_function_sees_the_request_as_the_real_host_sends_it(client: httpx.Client) -> None:
    answer = client.post(
        "/api/ECHO/7/a%20b/c%2Fd?x=1&X=2&empty=&y=%C3%A9",
        content=b"\x00body",
        headers=[("X-Two", "a"), ("x-two", "b"), ("traceparent", "00-1-2-01")],
    )
    seen = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert seen["method"] == "POST"
    assert seen["url"] == f"{client.base_url}/api/ECHO/7/a%20b/c%2Fd?x=1&X=2&empty=&y=%C3%A9"
    assert seen["params"] == {"x": "1,2", "y": "é"}
    assert seen["route_params"] == {"id": "7", "rest": "a b/c%2Fd"}
    assert seen["headers"]["x-two"] == "a,b"
    assert seen["body"] == "\x00body"
    assert seen["context"]["function_name"] == "echo"
    assert seen["context"]["trace_parent"] == "00-1-2-01"
    assert re.fullmatch(r"[0-9a-f-]{36}", seen["context"]["invocation_id"])
    assert seen["thread"].startswith("function_")


def test_async_functions_run_on_the_loop_and_an_optional_parameter_may_be_absent(client: httpx.Client) -> None:
    assert client.get("/api/async").text == "None functions-host"
    answer = client.get("/api/async/ada")
    assert (answer.status_code, answer.text) == (201, "ada functions-host")


def test_a_text_is_a_response(client: httpx.Client) -> None:
    answer = client.get("/api/text")
    assert (answer.status_code, answer.text) == (200, "plain é")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_status_headers_cookies_and_bytes_reach_the_client(client: httpx.Client) -> None:
    answer = client.get("/api/made")
    assert (answer.status_code, answer.content) == (202, b"\x00\x01")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-one"] == "1"
    assert answer.headers.get_list("set-cookie") == ["a=1; HttpOnly; Path=/", "b=2"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api"),
        ("GET", "/text"),
        ("GET", "/api/unknown"),
        ("GET", "/api/echo/seven"),
        ("GET", "/api/text/more"),
        ("POST", "/api/async"),
        ("HEAD", "/api/async"),
        ("OPTIONS", "/api/async"),
        ("GET", "/api/nightly"),
    ],
)
def test_what_fits_no_route_is_not_found_with_an_empty_body(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_function_without_methods_takes_all(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/api/echo/1").json()["method"] == method


def test_head_reaches_a_function_that_takes_all_methods_and_has_no_body(client: httpx.Client) -> None:
    answer = client.head("/api/text")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "8"


@pytest.mark.parametrize("path", ["/api/raises", "/api/nothing", "/api/split", "/api/status", "/api/cookie"])
def test_a_failed_function_is_a_500_that_says_nothing(
    client: httpx.Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (500, b"")
    assert "injected" not in answer.headers
    assert path.rsplit("/", 1)[-1] in caplog.text


def test_the_traceback_is_in_the_log(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/api/raises")
    assert "RuntimeError: a secret of the implementation" in caplog.text
    assert re.findall(r'File ".*?([^/"]+)"', caplog.text) == ["function_app.py"]


def test_a_body_over_the_limit_is_refused_whether_its_length_is_declared_or_not(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    at_limit = client.post("/api/echo/1", content=b"x" * 1000)
    declared = client.post("/api/echo/1", content=b"x" * 1001)
    chunked = client.post("/api/echo/1", content=chunks())
    assert (at_limit.status_code, declared.status_code, chunked.status_code) == (200, 413, 413)
    assert declared.content == chunked.content == b""
    assert client.post("/api/echo/1", content=b"still there").status_code == 200


def test_a_declared_length_over_the_limit_is_refused_before_the_client_sends_it(client: httpx.Client) -> None:
    request = "POST /api/echo/1 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20) as connection:
        connection.sendall(request.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_function_that_runs_out_of_time_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    with basic_host(timeout=timedelta(milliseconds=50)) as client:
        answer = client.get("/api/slow")
    assert (answer.status_code, answer.content) == (500, b"")
    assert "Timeout value of 0:00:00.050000 exceeded by function 'slow'" in caplog.text


@pytest.mark.parametrize(
    ("path", "headers", "query", "status"),
    [
        ("locked", {}, {}, 401),
        ("locked", {"x-functions-key": "wrong"}, {}, 401),
        ("locked", {"x-functions-key": ""}, {"code": "its-own"}, 401),
        ("locked", {"x-functions-key": "its-own"}, {}, 200),
        ("locked", {}, {"code": "its-own"}, 200),
        ("locked", {}, {"CODE": "its-own"}, 200),
        ("locked", {"x-functions-key": "wrong"}, {"code": "its-own"}, 401),
        ("locked", {"x-functions-key": "the-host"}, {}, 200),
        ("locked", {"x-functions-key": "the-master"}, {}, 200),
        ("other", {"x-functions-key": "its-own"}, {}, 401),
        ("other", {"x-functions-key": "the-host"}, {}, 200),
        ("master", {"x-functions-key": "the-host"}, {}, 401),
        ("master", {"x-functions-key": "the-master"}, {}, 200),
        ("text", {}, {}, 200),
    ],
)
def test_keys_open_what_they_are_for(
    keyed: httpx.Client, path: str, headers: dict[str, str], query: dict[str, str], status: int
) -> None:
    answer = keyed.get(f"/api/{path}", headers=headers, params=query)
    assert answer.status_code == status
    if status == 401:
        assert answer.content == b""


def test_the_key_is_asked_for_before_the_body_is_read_and_after_the_route(keyed: httpx.Client) -> None:
    assert keyed.post("/api/locked", content=b"x" * 5000).status_code == 401
    assert keyed.post("/api/unknown", content=b"x" * 5000).status_code == 404


def test_a_call_is_two_lines_without_the_key(keyed: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="local.functions_host"):
        keyed.post("/api/locked?code=its-own", content=b"secret body")
    began, ended = [record.getMessage() for record in caplog.records if "host.executions" in record.name]
    found = re.fullmatch(r"Executing locked \(POST /api/locked, Id=([0-9a-f]{8})\)", began)
    assert found
    assert re.fullmatch(rf"Executed locked \(Succeeded, POST /api/locked 200, \d+ ms, Id={found[1]}\)", ended)


def test_a_request_that_calls_no_function_is_one_line(keyed: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="local.functions_host"):
        keyed.post("/api/locked?code=wrong")
        keyed.get("/api/nowhere")
    refused, unknown = [record.getMessage() for record in caplog.records if record.name.startswith("local.")]
    assert re.fullmatch(r"POST /api/locked 401, \d+ ms locked", refused)
    assert re.fullmatch(r"GET /api/nowhere 404, \d+ ms", unknown)


def test_the_route_prefix_may_be_empty() -> None:
    with basic_host(prefix="") as client:
        assert client.get("/text").status_code == 200
        assert client.get("/api/text").status_code == 404


class Child:
    """``python -m local host`` in a process of its own; it has ended when the test has."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", "host", "--script-root", str(folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )

    def url(self) -> str:
        return self.wait_for(r"Listening on (\S+) ")[1]

    def wait_for(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = re.match(pattern, line)
            if found:
                return found
        raise AssertionError(f"it ended with {self.process.wait()}")

    def rest(self) -> str:
        output, _ = self.process.communicate(timeout=60)
        return output


@contextmanager
def child(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Child]:
    started = Child(folder, *arguments, environment=environment)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.communicate(timeout=60)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("function_app.py", "host.json"):
        (tmp_path / name).write_text((BASIC / name).read_text())
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_serves_until_a_signal_and_ends_in_order(project: Path, number: signal.Signals) -> None:
    with child(project, "--port", "0") as up:
        url = up.url()
        assert httpx.get(f"{url}/api/text", trust_env=False, timeout=60).text == "plain é"
        up.process.send_signal(number)
        output = up.rest()
    assert up.process.returncode == 0
    assert "GET /api/text 200" in output
    assert output.endswith("Stopped.\n")


def test_with_reload_a_change_is_served_and_a_mistake_is_told(project: Path) -> None:
    app = project / "function_app.py"
    right = app.read_text()
    with child(project, "--port", "0", "--reload") as up:
        first = up.url()
        app.write_text(right.replace('return "plain', 'return "changed'))
        up.wait_for(r"function_app\.py changed: the host begins anew")
        assert httpx.get(f"{up.url()}/api/text", trust_env=False, timeout=60).text == "changed é"
        app.write_text(right + "\nthis is a mistake\n")
        up.wait_for(r"local: function_app\.py cannot be imported: SyntaxError: invalid syntax")
        up.wait_for(r"The host ended with 1; the next change starts it again")
        app.write_text(right)
        last = up.url()
        assert httpx.get(f"{last}/api/text", trust_env=False, timeout=60).text == "plain é"
        up.process.send_signal(signal.SIGTERM)
        assert up.rest().endswith("Stopped.\n")
    assert up.process.returncode == 0
    for url in (first, last):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False, timeout=60)


def test_values_become_settings_and_the_environment_goes_before_them(project: Path) -> None:
    (project / "local.settings.json").write_text(json.dumps({"Values": {"COLOUR": "file", "SHAPE": "file"}}))
    with child(project, "--port", "0", environment={"SHAPE": "environment"}) as up:
        url = up.url()
        assert httpx.get(f"{url}/api/setting/COLOUR", trust_env=False, timeout=60).text == "file"
        assert httpx.get(f"{url}/api/setting/SHAPE", trust_env=False, timeout=60).text == "environment"


def test_the_settings_file_is_made_from_the_example_once(project: Path) -> None:
    (project / "local.settings.json.example").write_text(json.dumps({"Values": {"COLOUR": "example"}}))
    with child(project, "--port", "0") as up:
        assert httpx.get(f"{up.url()}/api/setting/COLOUR", trust_env=False, timeout=60).text == "example"
    assert (project / "local.settings.json").stat().st_mode & 0o777 == 0o600


def test_configured_keys_are_enforced(project: Path) -> None:
    (project / "local.settings.json").write_text(json.dumps({"Host": {"Keys": {"host": {"default": "k"}}}}))
    with child(project, "--port", "0") as up:
        url = up.url()
        assert httpx.get(f"{url}/api/locked", trust_env=False, timeout=60).status_code == 401
        assert httpx.get(f"{url}/api/locked?code=k", trust_env=False, timeout=60).status_code == 200


def test_origins_of_the_settings_file_may_call_from_a_browser(project: Path) -> None:
    (project / "local.settings.json").write_text(json.dumps({"Host": {"CORS": "http://page.test"}}))
    with child(project, "--port", "0") as up:
        url = up.url()
        allowed = httpx.get(f"{url}/api/text", headers={"origin": "http://page.test"}, trust_env=False, timeout=60)
        other = httpx.get(f"{url}/api/text", headers={"origin": "http://other.test"}, trust_env=False, timeout=60)
    assert allowed.headers["access-control-allow-origin"] == "http://page.test"
    assert "access-control-allow-origin" not in other.headers


def test_a_function_that_never_returns_is_named_and_cut_off(project: Path) -> None:
    with child(project, "--port", "0", "--grace", "0") as up:
        url = up.url()
        with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0), timeout=20) as connection:
            connection.sendall(b"GET /api/blocked HTTP/1.1\r\nHost: x\r\n\r\n")
            up.wait_for("blocked runs")
            up.process.send_signal(signal.SIGTERM)
            output = up.rest()
    assert up.process.returncode == 1
    assert "cut off: blocked " in output


@pytest.mark.parametrize(
    ("settings", "arguments", "status", "line"),
    [
        ({}, ["--enable-auth"], 1, "local: --enable-auth needs keys"),
        ({"IsEncrypted": True}, [], 1, "local: local.settings.json: its values are encrypted"),
        ({"Values": {"A": 1}}, [], 1, "local: local.settings.json: Values.A: Input should be a valid string"),
        ({}, ["--host-json", "absent.json"], 1, "absent.json; a function app needs its host.json"),
        ({}, ["--script-root", "docs"], 1, "a function app needs its host.json"),
        ({}, ["--settings-file", "absent.json"], 1, "local: there is no absent.json"),
        ({}, ["--port", "70000"], 2, "'70000' is not a port from 0 to 65535"),
        ({}, ["--colour"], 2, "unrecognized arguments: --colour"),
    ],
)
def test_what_stops_it_from_starting_is_said_in_a_line(
    project: Path, settings: dict[str, object], arguments: list[str], status: int, line: str
) -> None:
    (project / "local.settings.json").write_text(json.dumps(settings))
    with child(project, *arguments) as up:
        output = up.rest()
    assert up.process.returncode == status
    assert line in output
    assert "Traceback" not in output


def test_a_busy_port_is_one_line(project: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with child(project, "--port", str(port)) as up:
            output = up.rest()
    assert up.process.returncode == 1
    assert output == (
        f"local: port {port} on 127.0.0.1 is in use; stop what listens there, or choose another with --port\n"
    )


def test_an_app_that_the_real_host_would_refuse_is_not_served(project: Path) -> None:
    source = (project / "function_app.py").read_text()
    (project / "function_app.py").write_text(source.replace('"text"', '"admin/text"'))
    with child(project, "--port", "0") as up:
        output = up.rest()
    assert up.process.returncode == 1
    assert "ROUTE_RESERVED: function 'text'" in output


@pytest.mark.parametrize(
    ("source", "last_line", "readable"),
    [
        ("x = (\n", "cannot be imported: SyntaxError: '(' was never closed (File ", "x = ("),
        (
            "def f():\n    return 1 / 0\nf()\n",
            "cannot be imported: ZeroDivisionError: division by zero",
            "line 2, in f",
        ),
        ("import nowhere_at_all\n", "cannot be imported: ModuleNotFoundError: No module named", "line 1, in <module>"),
        ("raise SystemExit(3)\n", "cannot be imported: SystemExit: 3", "line 1, in <module>"),
        (
            "from infrastructure.settings import Settings\nSettings.from_environment({'TEST_BURST': 'many'})\n",
            "refuses its settings: TEST_BURST: ",
            "",
        ),
    ],
)
def test_an_app_that_cannot_be_imported_ends_in_one_line_below_the_place(
    project: Path, source: str, last_line: str, readable: str
) -> None:
    (project / "function_app.py").write_text(source)
    with child(project, "--port", "0") as up:
        *above, last = up.rest().splitlines()
    assert up.process.returncode == 1
    assert last.startswith(f"local: function_app.py {last_line}")
    assert readable in "\n".join(above)
    assert "importlib" not in "\n".join(above)
    assert bool(above) is bool(readable)
