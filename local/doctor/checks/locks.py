"""The locks of messages: how long they are, how long they are renewed, and what has to be done under them."""

from __future__ import annotations

from collections.abc import Iterator

from local.doctor.checks.concurrency import calls
from local.doctor.checks.host import MARGIN, slowest
from local.doctor.facts import BusTold, Facts, QueueTold
from local.doctor.findings import Code, Finding, error, warning

SHORTEST_LOCK = 30.0
"""Seconds. The Python SDK renews a lock in its last 10 s alone, and a stall of half a minute is an ordinary one."""

RENEWAL = "host.json: extensions.serviceBus.maxAutoLockRenewalDuration"


def told(facts: Facts) -> tuple[QueueTold, ...]:
    queues = facts.bus.queues if isinstance(facts.bus, BusTold) else ()
    return tuple(queue for queue in queues if isinstance(queue, QueueTold))


def tasks_queue(facts: Facts) -> QueueTold | None:
    name = facts.settings.settings.tasks_queue
    return next((queue for queue in told(facts) if queue.queue == name), None)


def triggered(facts: Facts) -> tuple[QueueTold, ...]:
    """The queues that the host listens to."""
    settings = facts.settings.settings
    return tuple(queue for queue in told(facts) if queue.queue in (settings.jobs_queue, settings.tasks_queue))


def short_locks(facts: Facts) -> Iterator[Finding]:
    for queue in told(facts):
        if queue.lock < SHORTEST_LOCK:
            yield error(
                Code.LOCK_TOO_SHORT,
                f"queue {queue.queue}",
                f"its lock of {queue.lock:.0f} s leaves no room for a renewal that comes late: messages are delivered "
                "again while they are worked on, until they are dead-lettered",
                "set its lock duration to 60 s",
            )


def renewed_for_handlers(facts: Facts) -> Iterator[Finding]:
    handler, queue = slowest(facts), tasks_queue(facts)
    if handler is None:
        return
    held = max(facts.host.renewal, queue.lock if queue is not None else 0.0)
    if held < handler.timeout + MARGIN:
        yield error(
            Code.RENEWAL_SHORTER_THAN_HANDLER,
            RENEWAL,
            f"a lock is held for {held:.0f} s, and {handler.task_type} may take {handler.timeout:.0f} s: its message "
            "comes again meanwhile, and cannot be completed at the end",
            f"set it to {handler.timeout + MARGIN:.0f} s or more",
        )


def renewed_at_all(facts: Facts) -> Iterator[Finding]:
    for queue in triggered(facts):
        if 0 < facts.host.renewal < queue.lock:
            yield warning(
                Code.RENEWAL_SHORTER_THAN_LOCK,
                RENEWAL,
                f"{facts.host.renewal:.0f} s are over before the lock of {queue.queue} ({queue.lock:.0f} s) is: it is "
                "never renewed",
                "set it to more than the lock, or to 00:00:00 where none is wanted",
            )


def prefetched(facts: Facts) -> Iterator[Finding]:
    """What is prefetched waits in the host under a lock that nobody renews."""
    handler = slowest(facts)
    if facts.host.prefetch <= 0 or handler is None:
        return
    for queue in triggered(facts):
        rounds = -(-facts.host.prefetch // max(calls(facts) // 2, 1))
        if rounds * handler.timeout > queue.lock:
            yield warning(
                Code.PREFETCH_OUTLIVES_LOCK,
                "host.json: extensions.serviceBus.prefetchCount",
                f"{facts.host.prefetch} messages of {queue.queue} wait up to {rounds * handler.timeout:.0f} s behind "
                f"slow tasks, and their locks hold {queue.lock:.0f} s",
                "set it to 0; a message is fetched while the one before is worked on all the same",
            )


LOCKS = (short_locks, renewed_for_handlers, renewed_at_all, prefetched)
