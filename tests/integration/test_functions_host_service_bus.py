"""Service Bus functions in the local host, through the SDK, on the emulator."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import azure.functions as func
import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusSubQueue

from local.functions_host.functions import index_app
from local.functions_host.host import build_host
from local.functions_host.host_file import HostSettings
from local.functions_host.host_service_bus import ServiceBusSettings
from local.functions_host.rules import validate
from local.functions_host.server import serving
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.running import RunningEmulator, run_emulator

# The SDK forgets the sockets of connections that ended by themselves.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

WAIT = 20.0  # seconds at most for what comes
Define = Callable[[func.FunctionApp], object]


@dataclass(frozen=True)
class Broker:
    emulator: RunningEmulator
    client: ServiceBusClient

    def send(self, name: str, *messages: ServiceBusMessage | str) -> None:
        with self.client.get_queue_sender(name) as sender:
            sender.send_messages([ServiceBusMessage(one) if isinstance(one, str) else one for one in messages])

    def left(self, name: str) -> list[str]:
        with self.client.get_queue_receiver(name) as receiver:
            return [str(message) for message in receiver.peek_messages(100)]

    def dead(self, name: str) -> ServiceBusReceivedMessage:
        with self.client.get_queue_receiver(name, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
            (message,) = receiver.receive_messages(1, max_wait_time=WAIT)
            return message


@pytest.fixture
def broker() -> Iterator[Broker]:
    rules = QueueRules(lock_duration=timedelta(seconds=60), max_delivery_count=3)
    with (
        run_emulator({"q": rules, "short": replace(rules, lock_duration=timedelta(seconds=5))}) as emulator,
        ServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0) as client,
    ):
        yield Broker(emulator, client)


SETTINGS = HostSettings(service_bus=ServiceBusSettings(max_concurrent_calls=4))


@contextmanager
def running(broker: Broker, *definitions: Define, settings: HostSettings = SETTINGS, grace: int = 1) -> Iterator[None]:
    app = func.FunctionApp()
    for define in definitions:
        define(app)
    functions = index_app(app)
    environment = {"BUS": broker.emulator.connection_string, "QUEUE": "q", "PYTHON_THREADPOOL_THREAD_COUNT": "8"}
    assert validate(functions, environment=environment) == []
    host = build_host(functions, settings, environment)
    with closing(host.invoker), serving(host.application, host.listeners, grace):
        yield


def on(queue_name: str, call: Callable[..., object]) -> Define:
    return lambda app: app.function_name("consume")(app.service_bus_queue_trigger("message", "BUS", queue_name)(call))


def executed(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("Executed")]


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds, looked at as often as this machine can."""
    deadline = threading.Event()
    timer = threading.Timer(WAIT, deadline.set)
    timer.start()
    try:
        while not condition():
            assert not deadline.wait(0.01), "it did not come"
    finally:
        timer.cancel()


def test_a_function_gets_what_the_message_is_and_its_return_completes_it(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    seen: queue.Queue[tuple[func.ServiceBusMessage, func.Context]] = queue.Queue()

    def consume(message: func.ServiceBusMessage, context: func.Context) -> None:
        seen.put((message, context))

    before = datetime.now(UTC)
    caplog.set_level(logging.INFO)
    with running(broker, on("%QUEUE%", consume)):
        broker.send(
            "q",
            ServiceBusMessage(
                b'{"a": "\xc3\xa9"}',
                message_id="id-1",
                subject="the subject",
                correlation_id="c-1",
                content_type="application/json",
                reply_to="back",
                to="there",
                time_to_live=timedelta(days=3),
                application_properties={"text": "t", "number": 7, "yes": True, "bytes": b"b"},
            ),
        )
        message, context = seen.get(timeout=WAIT)
        wait_for(lambda: len(executed(caplog)) == 1)
    assert (message.get_body(), message.message_id, message.label) == (b'{"a": "\xc3\xa9"}', "id-1", "the subject")
    assert (message.correlation_id, message.content_type) == ("c-1", "application/json")
    assert (message.reply_to, message.to, message.delivery_count) == ("back", "there", 1)
    assert message.application_properties == {"text": "t", "number": 7, "yes": True, "bytes": "b"}
    assert message.user_properties == message.application_properties
    assert message.sequence_number
    assert message.lock_token
    assert message.enqueued_time_utc is not None
    assert message.expires_at_utc == message.enqueued_time_utc + timedelta(days=3)
    assert message.locked_until is not None
    assert message.locked_until > before
    assert context.function_name == "consume"
    assert broker.left("q") == []
    (line,) = executed(caplog)
    assert line.startswith("Executed consume (Succeeded, message id-1, delivery 1, ")


def test_bytes_that_are_no_text_arrive_as_they_are(broker: Broker) -> None:
    seen: queue.Queue[bytes] = queue.Queue()
    with running(broker, on("q", lambda message: seen.put(message.get_body()))):
        broker.send("q", ServiceBusMessage(b"\xff\x00"), ServiceBusMessage(b""))
        assert {seen.get(timeout=WAIT), seen.get(timeout=WAIT)} == {b"\xff\x00", b""}


def test_an_exception_abandons_until_the_broker_dead_letters(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    counts: queue.Queue[int | None] = queue.Queue()

    async def consume(message: func.ServiceBusMessage) -> None:
        counts.put(message.delivery_count)
        raise RuntimeError("it breaks")

    with running(broker, on("q", consume)):
        broker.send("q", "x")
        assert [counts.get(timeout=WAIT) for _ in range(3)] == [1, 2, 3]
        dead = broker.dead("q")
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    assert "RuntimeError: it breaks" in caplog.text
    assert executed(caplog)[0].endswith(": RuntimeError")


def test_what_returns_a_value_without_a_binding_for_it_has_failed(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker, on("q", lambda message: "a value")):
        broker.send("q", "x")
        broker.dead("q")
    assert "it has no $return binding and returned str" in caplog.text


def test_a_call_that_runs_out_of_time_is_abandoned(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    async def consume(message: func.ServiceBusMessage) -> None:
        await asyncio.Event().wait()

    with running(broker, on("q", consume), settings=replace(SETTINGS, function_timeout=timedelta(milliseconds=50))):
        broker.send("q", "x")
        assert broker.dead("q").dead_letter_reason == "MaxDeliveryCountExceeded"
    assert "Timeout value of 0:00:00.050000 exceeded by function 'consume'" in caplog.text


def test_as_many_run_at_once_as_host_json_says_and_a_slow_one_holds_up_no_other(broker: Broker) -> None:
    release, started, fast = threading.Event(), threading.Semaphore(0), queue.Queue[str]()
    most, now = 0, 0
    guard = threading.Lock()

    def consume(message: func.ServiceBusMessage) -> None:
        nonlocal most, now
        with guard:
            now += 1
            most = max(most, now)
        if message.get_body() == b"slow":
            started.release()
            release.wait(WAIT)
        else:
            fast.put(message.get_body().decode())
        with guard:
            now -= 1

    with running(broker, on("q", consume)):
        broker.send("q", "slow", "slow", "slow")
        assert all(started.acquire(timeout=WAIT) for _ in range(3))
        broker.send("q", *[f"fast-{number}" for number in range(20)])
        assert len({fast.get(timeout=WAIT) for _ in range(20)}) == 20
        broker.send("q", "slow", "slow")
        assert started.acquire(timeout=WAIT)
        assert most == 4
        release.set()
        assert started.acquire(timeout=WAIT)
    assert most == 4


def test_the_lock_is_renewed_while_the_call_runs(broker: Broker) -> None:
    started, release = threading.Event(), threading.Event()
    counts: queue.Queue[int | None] = queue.Queue()

    def consume(message: func.ServiceBusMessage) -> None:
        counts.put(message.delivery_count)
        started.set()
        release.wait(WAIT)

    with running(broker, on("short", consume), settings=SETTINGS):
        broker.send("short", "x")
        assert started.wait(WAIT)
        renewed = broker.emulator.now() + timedelta(seconds=5.5)
        wait_for(lambda: broker.emulator.now() > renewed)
        release.set()
        wait_for(lambda: broker.left("short") == [])
    assert counts.qsize() == 1


def test_a_lock_that_was_lost_is_told_and_the_message_comes_again(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    counts: queue.Queue[int | None] = queue.Queue()
    release = threading.Event()

    def consume(message: func.ServiceBusMessage) -> None:
        counts.put(message.delivery_count)
        if message.delivery_count == 1:
            release.wait(WAIT)

    never = replace(SETTINGS, service_bus=ServiceBusSettings(max_lock_renewal=timedelta(), max_concurrent_calls=2))
    with running(broker, on("q", consume), settings=never):
        broker.send("q", ServiceBusMessage("x", message_id="m"))
        assert counts.get(timeout=WAIT) == 1
        broker.emulator.advance(61)
        assert counts.get(timeout=WAIT) == 2
        release.set()
        wait_for(lambda: "Message m was not completed and comes again" in caplog.text)
        wait_for(lambda: broker.left("q") == [])


def test_without_auto_complete_a_success_settles_nothing(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    by_hand = replace(SETTINGS, service_bus=ServiceBusSettings(auto_complete=False))
    with running(broker, on("q", lambda message: None), settings=by_hand):
        broker.send("q", "x")
        wait_for(lambda: len(executed(caplog)) == 1)
        assert broker.left("q") == ["x"]
    assert "Function 'consume' completes no message: autoCompleteMessages is false" in caplog.text


def test_prefetched_messages_are_all_called(broker: Broker) -> None:
    seen: queue.Queue[bytes] = queue.Queue()
    ahead = replace(SETTINGS, service_bus=ServiceBusSettings(prefetch_count=20, max_concurrent_calls=2))
    with running(broker, on("q", lambda message: seen.put(message.get_body())), settings=ahead):
        broker.send("q", *map(str, range(50)))
        assert {seen.get(timeout=WAIT) for _ in range(50)} == {str(number).encode() for number in range(50)}
        wait_for(lambda: broker.left("q") == [])


def in_emulator(broker: Broker, act: Coroutine[None, None, None]) -> None:
    asyncio.run_coroutine_threadsafe(act, broker.emulator._loop).result(timeout=WAIT)


def test_it_heals_when_the_broker_goes_away_and_comes_back(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    seen: queue.Queue[bytes] = queue.Queue()
    server, port = broker.emulator.server, broker.emulator.server.port
    with running(broker, on("q", lambda message: seen.put(message.get_body()))):
        broker.send("q", "before")
        assert seen.get(timeout=WAIT) == b"before"
        wait_for(lambda: broker.left("q") == [])
        in_emulator(broker, server.close())
        wait_for(lambda: "consume (queue q): not reached, trying again until it is" in caplog.text)
        in_emulator(broker, server.listen(port=port))
        with ServiceBusClient.from_connection_string(broker.emulator.connection_string) as client:
            replace(broker, client=client).send("q", "after")
        assert seen.get(timeout=WAIT) == b"after"
    lines = [record.getMessage() for record in caplog.records if "consume (queue q)" in record.getMessage()]
    assert len(lines) <= 2 * 4  # a lane that had begun before may say at once that it is reached
    assert "not reached" in lines[0]
    assert "reached again after" in lines[-1]


def test_a_queue_that_is_not_there_is_one_line(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with running(broker, on("absent", lambda message: None)):
        wait_for(lambda: "consume (queue absent): not reached" in caplog.text)
    assert caplog.text.count("consume (queue absent)") == 1


def test_at_the_end_a_call_in_progress_may_finish(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    started, release = threading.Event(), threading.Event()
    caplog.set_level(logging.INFO)

    def consume(message: func.ServiceBusMessage) -> None:
        started.set()
        release.wait(WAIT)

    with running(broker, on("q", consume), grace=15):
        broker.send("q", "x")
        assert started.wait(WAIT)
        threading.Timer(1.5, release.set).start()
    assert "(Succeeded, " in executed(caplog)[0]
    assert broker.left("q") == []


def test_a_call_that_outlasts_the_grace_is_cut_off_and_its_message_abandoned(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    started = threading.Event()

    async def consume(message: func.ServiceBusMessage) -> None:
        started.set()
        await asyncio.Event().wait()

    with running(broker, on("q", consume), grace=0):
        broker.send("q", "x")
        assert started.wait(WAIT)
    assert "(Cut off, " in executed(caplog)[0]
    with broker.client.get_queue_receiver("q") as receiver:
        (message,) = receiver.receive_messages(1, max_wait_time=WAIT)
        assert message.delivery_count == 1
