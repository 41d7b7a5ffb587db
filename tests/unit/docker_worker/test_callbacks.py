from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from threading import Event

import httpx
import pytest

from docker_worker.callbacks import TRIES, WAITING, CallbackHosts, Callbacks, callback_calls
from infrastructure.outbound.addresses import innermost
from infrastructure.task_start.bodies import TaskEnded
from infrastructure.task_start.calls import Calls
from infrastructure.task_start.errors import CallbackRefused, SignatureWrong
from infrastructure.task_start.signature import SigningKeys
from testing.clock import EPOCH, FakeClock, SeededIds
from tests.support.wire import FakeNetwork

KEYS = SigningKeys(("a key of sixteen letters",))
HOSTS = CallbackHosts(("me.example", "*.tenants.example", "localhost", "127.0.0.1", "10.0.0.7", "*.", "*.com"))
ENDED = TaskEnded(task_id="t", attempt=1, effect="applied", outcome="failed", error_code="E")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://me.example/done?id=7", "me.example"),
        ("https://ME.example:8443/", "me.example"),
        ("https://a.tenants.example/", "a.tenants.example"),
        ("https://a.b.tenants.example/", "a.b.tenants.example"),
        ("http://localhost:5000/", "localhost"),
        ("http://127.0.0.1:5000/", "127.0.0.1"),
        ("https://10.0.0.7/", "10.0.0.7"),
    ],
)
def test_hosts_that_are_listed_may_be_called(url: str, host: str) -> None:
    assert HOSTS.target(url).host == host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "done",
        "//me.example/",
        "https:///done",
        "ftp://me.example/",
        "http://me.example/",
        "http://10.0.0.7/",
        "https://you.example/",
        "https://me.example.evil.example/",
        "https://tenants.example/",
        "https://nottenants.example/",
        "https://any.com/",
        "https://me.example./",
        "https://user@me.example/",
        "https://me.example@evil.example/",
        "https://me.example\\@evil.example/",
        "https://me.example#a",
        "https://me.example:99999/",
        "https://me.example/\x00",
        "https://me.example/\r\nx: y",
        "https://[::1]/",
        "https://.tenants.example/",
        "https://a..tenants.example/",
        f"https://{'x' * 64}.tenants.example/",
        f"https://{'x.' * 120}tenants.example/",
        "https://2130706433/",
        "https://0x7f.1/",
        "javascript:alert(1)",
    ],
)
def test_what_is_not_listed_is_refused(url: str) -> None:
    with pytest.raises(CallbackRefused):
        HOSTS.target(url)


@pytest.mark.parametrize(
    ("host", "address", "may"),
    [
        ("me.example", "93.184.216.34", True),
        ("me.example", "10.1.2.3", True),
        ("me.example", "fd00::1", True),
        ("me.example", "127.0.0.1", True),
        ("me.example", "169.254.169.254", False),
        ("me.example", "fe80::1", False),
        ("me.example", "::ffff:169.254.169.254", False),
        ("me.example", "64:ff9b::a9fe:a9fe", False),
        ("me.example", "0.0.0.0", False),
        ("me.example", "168.63.129.16", False),
        ("me.example", "fd00:ec2::254", False),
        ("me.example", "64:ff9b:1::a9fe:a9fe", False),
        ("a.tenants.example", "168.63.129.16", False),
        ("a.tenants.example", "::ffff:168.63.129.16", False),
        ("a.tenants.example", "192.0.0.192", False),
        ("a.tenants.example", "fec0::1", False),
        ("me.example", "::", False),
        ("me.example", "224.0.0.1", False),
        ("a.tenants.example", "93.184.216.34", True),
        ("a.tenants.example", "2606:2800:220:1::1", True),
        ("a.tenants.example", "10.1.2.3", False),
        ("a.tenants.example", "192.168.0.1", False),
        ("a.tenants.example", "127.0.0.1", False),
        ("a.tenants.example", "::1", False),
        ("a.tenants.example", "fd00::1", False),
        ("a.tenants.example", "::ffff:10.1.2.3", False),
        ("a.tenants.example", "2002:0a01:0203::", False),
        ("a.tenants.example", "64:ff9b::a01:203", False),
        ("a.tenants.example", "100.64.0.1", False),
        ("a.tenants.example", "255.255.255.255", False),
        ("localhost", "127.0.0.1", True),
        ("localhost", "93.184.216.34", False),
    ],
)
def test_where_a_name_may_lead(host: str, address: str, may: bool) -> None:
    assert HOSTS.may_reach(host, innermost(ip_address(address))) is may


class Scene:
    def __init__(self, answers: Callable[[httpx.Request], httpx.Response]) -> None:
        self.requests: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return answers(request)

        self.asked_by(Calls(httpx.MockTransport(answer)))

    def asked_by(self, calls: Calls) -> None:
        self.waits: list[float] = []
        self.callbacks = Callbacks(HOSTS, KEYS, FakeClock(), SeededIds(), calls=calls, wait=self.wait)

    def wait(self, closing: Event, seconds: float) -> bool:
        self.waits.append(seconds)
        return False

    def tell(self, url: str = "https://me.example:8443/done?id=7") -> None:
        self.callbacks.tell(self.callbacks.target(url), ENDED)
        assert self.callbacks.close(30)


class OnTheNetwork(Scene):
    """Calls that look names up, and find ``addresses``."""

    def __init__(self, addresses: Sequence[str], silent: Sequence[str] = ()) -> None:
        self.asked: list[tuple[str, int]] = []
        self.addresses = addresses
        self.network = FakeNetwork(lambda: [b"HTTP/1.1 204 No Content\r\n\r\n"], silent)
        self.asked_by(callback_calls(HOSTS, self.resolve, self.network))

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        if not self.addresses:
            raise OSError("no such name")
        return self.addresses


def status(*statuses: int) -> Callable[[httpx.Request], httpx.Response]:
    left = list(statuses)
    return lambda _request: httpx.Response(left.pop(0) if len(left) > 1 else left[0])


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["reason"] for record in caplog.records if record.getMessage() == "callback_given_up"]


def test_what_it_says_is_signed_with_a_key_of_its_own() -> None:
    scene = Scene(status(204))
    scene.tell()

    (request,) = scene.requests
    assert str(request.url) == "https://me.example:8443/done?id=7"
    assert TaskEnded.model_validate_json(request.content) == ENDED
    headers = {name: request.headers.get_list(name) for name in request.headers}
    KEYS.for_callbacks().check("POST", "/done?id=7", request.content, headers, EPOCH)
    with pytest.raises(SignatureWrong):
        KEYS.check("POST", "/done?id=7", request.content, headers, EPOCH)
    assert scene.waits == []


def test_it_connects_to_what_was_resolved_under_the_name_that_was_given() -> None:
    scene = OnTheNetwork(["93.184.216.34"])
    scene.tell()

    assert scene.asked == [("me.example", 8443)]
    assert scene.network.connected == [("93.184.216.34", 8443)]
    assert scene.network.server_names == ["me.example"]
    assert b"\r\nHost: me.example:8443\r\n" in b"".join(scene.network.sent)
    assert scene.waits == []


def test_of_many_addresses_one_that_answers_is_enough() -> None:
    scene = OnTheNetwork(["93.184.216.34", "2606:2800:220:1::1"], silent=["93.184.216.34"])
    scene.tell("https://a.tenants.example/")

    assert scene.network.connected == [("93.184.216.34", 443), ("2606:2800:220:1::1", 443)]
    assert scene.waits == []


def test_it_tries_again_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(status(500, 429, 200))
    scene.tell()

    assert len(scene.requests) == 3
    assert len(scene.waits) == 2
    assert scene.waits[0] < scene.waits[1]
    assert reasons(caplog) == []


@pytest.mark.parametrize(("answer", "calls"), [(503, TRIES), (404, 1), (301, 1), (400, 1)])
def test_it_is_given_up_in_the_end_and_only_logged(answer: int, calls: int, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(status(answer))
    scene.tell()

    assert len(scene.requests) == calls
    assert reasons(caplog) == [f"answered {answer}"]
    assert "id=7" not in caplog.text
    assert "done" not in caplog.text


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"]], ids=lambda one: one[-1]
)
def test_a_name_that_leads_inside_is_not_called(addresses: list[str], caplog: pytest.LogCaptureFixture) -> None:
    scene = OnTheNetwork(addresses)
    scene.tell("https://a.tenants.example/")

    assert scene.network.connected == []
    assert len(scene.asked) == 1
    assert reasons(caplog) == ["its host leads where the worker does not go"]


def test_a_name_that_is_not_found_is_looked_up_again(caplog: pytest.LogCaptureFixture) -> None:
    scene = OnTheNetwork([])
    scene.tell()

    assert len(scene.asked) == TRIES
    assert reasons(caplog) == ["not reached: ConnectError"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_the_thread_does_not_end_the_calls_after_it() -> None:
    broken = [True]

    def breaks_once(_request: httpx.Request) -> httpx.Response:
        if broken:
            broken.clear()
            raise ZeroDivisionError
        return httpx.Response(200)

    scene = Scene(breaks_once)
    scene.callbacks.tell(scene.callbacks.target("https://me.example/1"), ENDED)
    thread = scene.callbacks._thread
    assert thread is not None
    thread.join(30)
    scene.tell("https://me.example/2")

    assert [request.url.path for request in scene.requests] == ["/1", "/2"]


def test_one_that_fails_does_not_hold_up_the_next(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(status(404, 200))
    scene.callbacks.tell(scene.callbacks.target("https://me.example/1"), ENDED)
    scene.tell("https://me.example/2")

    assert [request.url.path for request in scene.requests] == ["/1", "/2"]
    assert len(reasons(caplog)) == 1


def test_at_the_end_what_hangs_is_given_up_after_a_bounded_time(caplog: pytest.LogCaptureFixture) -> None:
    hanging, go_on = Event(), Event()

    def hangs(_request: httpx.Request) -> httpx.Response:
        hanging.set()
        assert go_on.wait(60)
        return httpx.Response(200)

    scene = Scene(hangs)
    target = scene.callbacks.target("https://me.example/")
    try:
        for _ in range(WAITING + 3):
            scene.callbacks.tell(target, ENDED)
        assert hanging.wait(30)
        assert not scene.callbacks.close(0.01)
        scene.callbacks.tell(target, ENDED)
    finally:
        go_on.set()

    told = [record.getMessage() for record in caplog.records]
    assert "callbacks_given_up" in told
    assert reasons(caplog)[-1] == "the worker ends"
    assert "too many wait" in reasons(caplog)


def test_closing_ends_the_pauses_between_tries(caplog: pytest.LogCaptureFixture) -> None:
    calls = Calls(httpx.MockTransport(status(503)))
    callbacks = Callbacks(HOSTS, KEYS, FakeClock(), SeededIds(), calls=calls)
    callbacks.tell(callbacks.target("https://me.example/"), ENDED)

    assert callbacks.close(30)
    assert reasons(caplog) == ["answered 503"]
