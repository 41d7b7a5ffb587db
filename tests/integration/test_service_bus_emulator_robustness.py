"""The emulator as a process that is treated badly: crowds of peers that say nothing or nonsense, and SIGKILL."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiver
from azure.servicebus.exceptions import ServiceBusError

from benchmarks.service_bus_process import EmulatorProcess, emulator_process
from testing.service_bus_emulator.amqp.frames import AMQP_HEADER, SASL_HEADER, SASL_TYPE, write_frame
from testing.service_bus_emulator.amqp.performatives import Open, SaslInit, write

# The SDK forgets the sockets of connections that ended by themselves.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

QUEUE = "tasks"
CROWD = 1000
WAIT = 30.0  # seconds at most for an answer


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many sockets as the crowd has, and some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CROWD + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


ANONYMOUS = write_frame(0, write(SaslInit("ANONYMOUS", b"")), SASL_TYPE)
GREETING = SASL_HEADER + ANONYMOUS + AMQP_HEADER
OPENING = GREETING + write_frame(0, write(Open("crowd")))
UNENDING = OPENING + struct.pack(">IBBH", 65536, 2, 0, 0) + bytes(60_000)
REQUEST = b"GET /tasks HTTP/1.1\r\nX: " + b"a" * 10_000

SAYINGS: dict[str, tuple[bytes, bool]] = {
    "nothing": (b"", False),
    "half a header": (SASL_HEADER[:5], False),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", True),
    "a greeting": (GREETING, False),
    "a frame without an end": (UNENDING, False),
    "a request without an end": (REQUEST, False),
    "a frame of 4 GB": (OPENING + b"\xff" * 64, True),
    "nonsense": (OPENING + write_frame(0, b"\x00\x53\x14\xc0\x03\x01\x40"), True),
}
"""What a peer says, and whether that ends its connection."""


def connect(emulator: EmulatorProcess) -> socket.socket:
    port = int(emulator.connection_string.partition("127.0.0.1:")[2].partition(";")[0])
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT)


def is_served(emulator: EmulatorProcess) -> bool:
    """Whether a newcomer is answered."""
    with connect(emulator) as peer:
        peer.sendall(SASL_HEADER)
        return peer.recv(8) == SASL_HEADER


def is_ended(peer: socket.socket) -> bool:
    """Whether all that is to come ends with the end of the connection."""
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.usefixtures("many_files")
def test_a_thousand_bad_peers_cost_bounded_memory_and_keep_nobody_out() -> None:
    with emulator_process({QUEUE: {}}) as emulator, ExitStack() as crowd:
        before = emulator.rss_mb()
        peers = []
        for number in range(CROWD):
            saying, ends = list(SAYINGS.values())[number % len(SAYINGS)]
            peer = crowd.enter_context(connect(emulator))
            peer.sendall(saying)
            peers.append((peer, ends))

        assert is_served(emulator)
        assert all(is_ended(peer) for peer, ends in peers if ends)
        unending = CROWD / len(SAYINGS) * (len(UNENDING) + len(REQUEST)) / 1e6
        assert emulator.rss_mb() - before < 2 * unending + 20
        crowd.close()
        assert is_served(emulator)


@pytest.mark.usefixtures("many_files")
def test_who_says_nothing_is_gone_after_the_idle_time() -> None:
    with emulator_process({QUEUE: {}}, "--idle-seconds", "0.5") as emulator, ExitStack() as crowd:
        peers = [crowd.enter_context(connect(emulator)) for _ in range(100)]
        for peer in peers:
            peer.sendall(OPENING)

        assert all(is_ended(peer) for peer in peers)


class Client:
    """Sends and completes until the emulator is gone, and remembers what was acknowledged, and what may have been."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.sent: list[str] = []
        self.completed: set[str] = set()
        self.attempted: set[str] = set()
        self.has_done = threading.Event()

    def run(self, address: str, acknowledged: int) -> None:
        """Until the connection breaks; ``has_done`` is set after so many sends and some completions."""
        client = ServiceBusClient.from_connection_string(address, retry_total=0)
        sender = client.get_queue_sender(QUEUE)
        receiver = client.get_queue_receiver(QUEUE)
        for act in (
            lambda: self._work(sender.send_messages, receiver, acknowledged),
            sender.close,
            receiver.close,
            client.close,
        ):
            _until_it_breaks(act)

    def _work(self, send: Callable[[ServiceBusMessage], None], receiver: ServiceBusReceiver, acknowledged: int) -> None:
        while True:
            name = str(self.first + len(self.sent))
            send(ServiceBusMessage(name, message_id=name))
            self.sent.append(name)
            if len(self.sent) % 3 == 0:
                self._complete(receiver)
            if len(self.sent) >= acknowledged:
                self.has_done.set()

    def _complete(self, receiver: ServiceBusReceiver) -> None:
        for found in receiver.receive_messages(1, max_wait_time=5):
            self.attempted.add(str(found))
            receiver.complete_message(found)
            self.completed.add(str(found))


def _until_it_breaks(act: Callable[[], None]) -> None:
    with suppress(ServiceBusError, ValueError, OSError):  # what the SDK raises where its connection is gone
        act()


def left_over(emulator: EmulatorProcess) -> list[str]:
    with (
        ServiceBusClient.from_connection_string(emulator.connection_string) as client,
        client.get_queue_receiver(QUEUE) as receiver,
    ):
        found: list[str] = []
        start = 1
        while some := receiver.peek_messages(200, sequence_number=start):
            found += map(str, some)
            start = (some[-1].sequence_number or 0) + 1
        return found


def test_what_was_acknowledged_outlives_sigkill(tmp_path: Path) -> None:
    journal = ("--journal", str(tmp_path / "journal"))
    sent: set[str] = set()
    attempted: set[str] = set()
    completed: set[str] = set()
    for turn in range(3):
        with emulator_process({QUEUE: {}}, *journal) as emulator:
            client = Client(first=turn * 1_000_000)
            thread = threading.Thread(target=client.run, args=(emulator.connection_string, 150 + 50 * turn))
            thread.start()
            assert client.has_done.wait(WAIT)
            os.kill(emulator.pid, signal.SIGKILL)
            thread.join(WAIT)
            assert not thread.is_alive()
        sent.update(client.sent)
        attempted |= client.attempted
        completed |= client.completed

    with emulator_process({QUEUE: {}}, *journal) as emulator:
        found = left_over(emulator)

    assert len(found) == len(set(found))
    assert sent - attempted <= set(found), "what was sent is there"
    assert not completed & set(found), "what was completed is gone"
    assert len(completed) > 100
