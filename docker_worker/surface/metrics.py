"""What Prometheus collects, in a registry of its own: looked at when it is asked for, but for how long tasks took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.errors import HandlerLost, LeaseLost
from core.outcome import Outcome
from core.runner import HandlerCall, HandlerRunner
from docker_worker.status import WorkerState
from docker_worker.surface.health import state_of, versions
from docker_worker.surface.parts import SurfaceParts

PREFIX = "coremachine_worker_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 21_600)
"""Seconds, from a page to a night's work."""


class TaskSeconds:
    """A :class:`core.runner.HandlerRunner` in front of another one, which measures how long each attempt ran."""

    def __init__(
        self, runner: HandlerRunner, registry: CollectorRegistry, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._runner = runner
        self._monotonic = monotonic
        self._histogram = Histogram(
            f"{PREFIX}attempt_seconds",
            "How long attempts ran",
            ("task_type", "outcome"),
            buckets=BUCKETS,
            registry=registry,
        )

    def __call__(self, call: HandlerCall) -> Outcome:
        began, name = self._monotonic(), "error"
        try:
            outcome = self._runner(call)
            name = type(outcome).__name__.lower()
        except (HandlerLost, LeaseLost) as error:
            name = error.code.lower()
            raise
        finally:
            self._histogram.labels(call.handler.task_type, name).observe(self._monotonic() - began)
        return outcome


class WorkerCollector(Collector):
    """Everything else, as it is at that moment."""

    def __init__(self, parts: SurfaceParts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        labels = {name.replace("-", "_"): version for name, version in versions().items()}
        yield InfoMetricFamily(f"{PREFIX}build", "What runs here", value=labels)
        yield from self._loop()
        yield from self._task()
        yield from self._child()
        yield from self._pool()
        yield from self._tokens()

    def _loop(self) -> Iterator[Metric]:
        parts, seen, now = self._parts, self._parts.status.snapshot(), self._parts.clock.now()
        state = state_of(parts, seen)
        yield _gauges("state", "1 for the state it is in", "state", {one: one is state for one in WorkerState})
        yield _gauge("loop_alive", "Whether the loop takes tasks, or would", not parts.lifecycle.loop_is_dead)
        yield _gauge("waiting", "Whether database or queue do not answer", seen.waiting_for is not None)
        yield _gauge("uptime_seconds", "Since the process began", (now - parts.started_at).total_seconds())
        if seen.last_poll is not None:
            yield _gauge("last_poll_age_seconds", "Since the queue answered", (now - seen.last_poll).total_seconds())
        yield _counter("polls", "How often the queue was asked", parts.bus_counts.polls)
        yield _counter("messages_received", "Messages that it gave", parts.bus_counts.received)
        yield _counter("locks_renewed", "Renewed locks of messages", parts.bus_counts.locks_renewed)
        yield _counter("locks_lost", "Locks that ended while their task ran on", seen.locks_lost)
        yield _counter("leases_renewed", "Renewed leases", parts.leases.renewed)
        yield _counter("leases_lost", "Leases that were lost", parts.leases.lost)

    def _task(self) -> Iterator[Metric]:
        seen, now = self._parts.status.snapshot(), self._parts.clock.now()
        yield _counters("attempts", "Attempts by what they came to", "outcome", seen.ended)
        yield _counter("busy_seconds", "Time in which attempts ran that have ended", seen.busy_seconds)
        yield _gauge("busy", "Whether a task runs", seen.current is not None)
        if seen.current is not None:
            yield _gauge("task_percent", "Progress of the task that runs", seen.current.percent or 0.0)
            yield _gauge("task_age_seconds", "Since it began", (now - seen.current.started_at).total_seconds())

    def _child(self) -> Iterator[Metric]:
        child = self._parts.child()
        yield _gauge("child_resident_bytes", "Memory of the processes that tasks run in", child.resident_bytes)
        yield _gauge("child_peak_bytes", "The most that it was", child.peak_bytes)
        yield _gauge("child_limit_bytes", "What it may be", child.limit_bytes)
        yield _counter("children_made", "Processes that were made for tasks", child.made)
        yield _counter("children_recycled", "Those that were replaced for their age or growth", child.recycled)
        yield _counter("children_died", "Those that ended by themselves in a task", child.died)
        yield _gauge("child_failed_starts", "Those that never became ready, since one last did", child.failed_starts)
        yield _counters("children_killed", "Those that were killed", "reason", child.killed)

    def _pool(self) -> Iterator[Metric]:
        pool = self._parts.pool()
        sizes = {"open": pool.size, "idle": pool.idle, "lent": pool.lent, "maximum": pool.maximum}
        yield _gauges("pool_connections", "Database connections", "kind", sizes)
        yield _gauge("pool_waiting", "Calls that wait for one", pool.waiting)
        yield _counter("pool_refused", "Tries to connect that failed", pool.refused)
        yield _counter("pool_lost", "Connections that broke", pool.lost)

    def _tokens(self) -> Iterator[Metric]:
        tokens, now = self._parts.tokens(), self._parts.clock.now()
        left = {one.scope: (one.expires_at - now).total_seconds() for one in tokens if one.expires_at is not None}
        yield _gauges("token_seconds_left", "Until a token ends", "scope", left)
        failures = {one.scope: one.failures for one in tokens}
        yield _gauges("token_failures", "Renewals that failed one after the other", "scope", failures)


def exposed(registry: CollectorRegistry) -> bytes:
    """In Prometheus's text format, of :data:`CONTENT_TYPE`."""
    return generate_latest(registry)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, text, value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
