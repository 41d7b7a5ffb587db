"""The Service Bus emulator, as a process of its own, with the unmodified sync SDK in ours.

``python -m benchmarks.service_bus``. Messages are sent one by one, received in batches and completed one by one; the
best of the rounds is held to the goals, the median is printed beside it. Both ends share the machine, so the CPU
seconds of each are told: a second of the clock holds at most one of the SDK's, which runs in one thread. Memory is the
emulator's resident set: idle, with all messages in it, and when they are gone again.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiver, ServiceBusSender

from benchmarks.report import Goal, at_least, finish, parser
from benchmarks.service_bus_process import EmulatorProcess, emulator_process

QUEUE = "tasks"
BODY = b'{"version":1,"message_type":"task","job_id":"%064d","run":1,"stage":1,"task_id":"%032d","attempt":1}'
WAIT = 10.0  # seconds for messages that are there

GOALS = (
    Goal("sends_per_s", ">=", 1_200, "/s"),
    Goal("completes_per_s", ">=", 2_500, "/s"),
    Goal("rss_mb", "<=", 40.0, "MB"),
    Goal("rss_mb_after", "<=", 40.0, "MB"),
)


class Turn(NamedTuple):
    """Messages a second, and the CPU microseconds that each message took at both ends."""

    per_s: float
    emulator_us: float
    sdk_us: float


class Bench:
    def __init__(
        self, emulator: EmulatorProcess, sender: ServiceBusSender, receiver: ServiceBusReceiver, batch: int
    ) -> None:
        self._emulator = emulator
        self._sender = sender
        self._receiver = receiver
        self._batch = batch

    def send(self, count: int) -> Turn:
        """One by one, each known to be taken before the next is sent."""

        def act() -> None:
            for number in range(count):
                self._sender.send_messages(ServiceBusMessage(BODY % (number, number), message_id=f"{number:064d}-1"))

        return self._timed(count, act)

    def complete(self, count: int) -> Turn:
        """Received in batches, settled one by one. Raises AssertionError where messages are missing."""

        def act() -> None:
            left = count
            while left:
                found = self._receiver.receive_messages(min(self._batch, left), max_wait_time=WAIT)
                assert found, f"{left} of {count} messages did not come"
                for one in found:
                    self._receiver.complete_message(one)
                left -= len(found)

        return self._timed(count, act)

    def fill(self, count: int) -> None:
        """In batches, which are not timed."""
        for start in range(0, count, 500):
            numbers = range(start, min(start + 500, count))
            self._sender.send_messages([ServiceBusMessage(BODY % (n, n), message_id=f"{n:064d}-1") for n in numbers])

    def _timed(self, count: int, act: Callable[[], None]) -> Turn:
        theirs, ours, started = self._emulator.cpu_seconds(), time.process_time(), time.perf_counter()
        act()
        elapsed = time.perf_counter() - started
        ours, theirs = time.process_time() - ours, self._emulator.cpu_seconds() - theirs
        return Turn(count / elapsed, theirs / count * 1e6, ours / count * 1e6)


def measure(messages: int, rounds: int, batch: int, held: int) -> dict[str, object]:
    with (
        emulator_process({QUEUE: {"LockDuration": "PT1M"}}) as emulator,
        ServiceBusClient.from_connection_string(emulator.connection_string) as client,
        client.get_queue_sender(QUEUE) as sender,
        client.get_queue_receiver(QUEUE) as receiver,
    ):
        bench = Bench(emulator, sender, receiver, batch)
        bench.send(200)
        bench.complete(200)
        idle = emulator.rss_mb()
        sends, completes = [], []
        for _ in range(rounds):
            sends.append(bench.send(messages))
            completes.append(bench.complete(messages))
        bench.fill(held)
        full = emulator.rss_mb()
        bench.complete(held)
        return {
            **_told("sends", sends),
            **_told("completes", completes),
            "rss_mb": round(idle, 1),
            "rss_mb_full": round(full, 1),
            "rss_mb_after": round(emulator.rss_mb(), 1),
        }


def _told(name: str, turns: Sequence[Turn]) -> dict[str, object]:
    return {
        f"{name}_per_s": round(max(turn.per_s for turn in turns)),
        f"{name}_per_s_median": round(statistics.median(turn.per_s for turn in turns)),
        f"{name}_emulator_us": round(statistics.median(turn.emulator_us for turn in turns)),
        f"{name}_sdk_us": round(statistics.median(turn.sdk_us for turn in turns)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options().parse_args(arguments)
    logging.disable(logging.WARNING)
    measured: dict[str, object] = {
        "messages": chosen.messages,
        "rounds": chosen.rounds,
        "batch": chosen.batch,
        "held": chosen.held,
        "sdk": importlib.metadata.version("azure-servicebus"),
        "python": platform.python_version(),
        **measure(chosen.messages, chosen.rounds, chosen.batch, chosen.held),
    }
    told = "{}: {:,}/s (median {:,}); CPU a message: the SDK {} us, the emulator {} us"
    for name, what in (("sends", "sent one by one"), ("completes", "received and completed")):
        keys = ("per_s", "per_s_median", "sdk_us", "emulator_us")
        print(told.format(what, *(measured[f"{name}_{key}"] for key in keys)))
    print(
        "resident: {rss_mb} MB idle, {rss_mb_full} MB with {held:,} messages, {rss_mb_after} MB after".format(
            **measured
        )
    )
    return finish(chosen, measured, GOALS)


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__ or "")
    options.add_argument("--messages", type=at_least(1), default=3_000, help="a round")
    options.add_argument("--rounds", type=at_least(1), default=5)
    options.add_argument("--batch", type=at_least(1), default=100, help="messages that a receiver asks for at a time")
    options.add_argument("--held", type=at_least(1), default=10_000, help="messages that the memory is looked at with")
    return options


if __name__ == "__main__":
    sys.exit(main())
