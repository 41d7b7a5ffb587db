"""One chaos run: jobs on real processes and a real server, all of them killed time and again, and a judgement."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from threading import Event

import psycopg

from benchmarks.chaos_bus import SocketBus
from benchmarks.chaos_check import Fault, Kind, find_faults
from benchmarks.chaos_client import Client
from benchmarks.chaos_crew import Crew, last_lines
from benchmarks.chaos_effects import Act, EffectLog
from benchmarks.chaos_jobs import Handlers, registries
from benchmarks.chaos_nursery import Nursery
from benchmarks.chaos_report import Plan, Report
from benchmarks.chaos_server import Crashes
from benchmarks.chaos_setting import Setting
from benchmarks.chaos_worker import opened_machine, settings_for
from benchmarks.chaos_world import Leftovers, World, leftovers, load_world, unfinished
from core.errors import BusUnavailable, TransientError
from core.machine import CoreMachine
from infrastructure.postgres.migrations import migrate
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.store import PostgresStateStore
from local.postgres import EmbeddedPostgres

LOOK_SECONDS = 0.1
TELL_SECONDS = 10.0
ECHO = 20_000

ASKED_SHARE = 0.03
"""Of the kills, before which another worker is asked to end in order."""

Tell = Callable[[str], None]


def run(plan: Plan, tell: Tell) -> Report:
    """Every process that it started has ended in the end, however it ends."""
    began = time.monotonic()
    with ExitStack() as opened:
        folder = Path(tempfile.mkdtemp(prefix="coremachine-chaos-"))
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        server = opened.enter_context(EmbeddedPostgres())
        with psycopg.connect(server.uri) as connection:
            migrate(connection)
        setting = Setting(str(folder), server.uri, plan.seed, time.time())
        nursery = opened.enter_context(Nursery(setting))
        nursery.start("bus", "bus")
        tell(f"its processes have their logs in {folder}")
        pool = opened.enter_context(ConnectionPoolManager.from_settings(settings_for(server.uri)))
        found = registries(Handlers(opened.enter_context(EffectLog(setting.effects)), plan.seed))
        machine, _ = opened.enter_context(opened_machine(setting, PostgresStateStore(pool), found))
        bus = opened.enter_context(SocketBus(setting.bus_address))
        chaos = _Chaos(plan, setting, nursery=nursery, server=server, machine=machine, bus=bus, tell=tell)
        world = chaos.run()
        return chaos.report(world, time.monotonic() - began)


class _Chaos:
    """The run itself: kills in this thread, crashes of the server and the client in one each."""

    def __init__(
        self,
        plan: Plan,
        setting: Setting,
        *,
        nursery: Nursery,
        server: EmbeddedPostgres,
        machine: CoreMachine,
        bus: SocketBus,
        tell: Tell,
    ) -> None:
        self._plan = plan
        self._setting = setting
        self._random, of_client, of_crashes = (Random(f"{plan.seed} {part}") for part in range(3))  # noqa: S311 # to repeat
        self._crew = Crew(setting, nursery, plan.workers, self._random)
        self._client = Client(machine, server.uri, of_client, jobs=plan.jobs, largest=plan.tasks)
        self._crashes = Crashes(server, of_crashes)
        self._machine = machine
        self._bus = bus
        self._tell = tell
        self._began = time.monotonic()
        self._told = self._began
        self._stop = Event()
        self._enough = Event()
        self._evidence: list[str] = []

    def run(self) -> World:
        with ThreadPoolExecutor(2) as threads:
            try:
                every = self._plan.seconds / max(1, self._plan.restarts)
                crashing = threads.submit(self._crashes.run, self._plan.restarts, every, self._stop)
                following = threads.submit(self._client.run, self._enough, self._stop)
                self._storm(crashing, following)
                self._enough.set()
                ended = self._until("every run has ended", following.done, [following])
            finally:
                self._stop.set()
        if ended and self._until("nothing is left to do", self._quiet):
            self._say(f"{self._bus.echo(ECHO)} messages are delivered once more")
            self._until("nothing is left to do again", self._quiet)
        self._crew.dismiss()
        self._until("every worker has ended", lambda: not self._crew.left)
        return load_world(self._setting, self._client.books, self._bus.stats().dead)

    def report(self, world: World, seconds: float) -> Report:
        acts = Counter(effect.act for effect in world.effects)
        repairs: Counter[str] = Counter()
        for effect in world.effects:
            if effect.act is Act.REPAIRED:
                repairs.update(json.loads(effect.detail))
        counts, outcomes = self._crew.counts, Counter(attempt.outcome for attempt in world.attempts)
        faults = find_faults(world)
        faults += [Fault(Kind.WRONG, "a worker ended by itself", words) for words in self._crew.evidence]
        return Report(
            plan=self._plan,
            kills=counts.kills,
            pauses=counts.pauses,
            asked_to_end=counts.asked_to_end,
            ended_by_themselves=counts.ended_by_themselves,
            restarts=self._crashes.restarts,
            jobs=len(world.jobs),
            tasks=len(world.tasks),
            attempts=len(world.attempts),
            calls=acts[Act.BEGAN],
            unused=acts[Act.ENDED] - outcomes["completed"],
            refused=acts[Act.REFUSED],
            outcomes=dict(outcomes),
            repairs=dict(repairs),
            bus=self._bus.stats(),
            faults=faults,
            evidence=self._evidence,
            seconds=seconds,
        )

    def _storm(self, *threads: Future[None]) -> None:
        """Kill and pause until there was enough of each, and of crashes of the server."""
        self._crew.tend()
        plan, counts = self._plan, self._crew.counts
        while counts.kills < plan.kills or counts.pauses < plan.pauses or not threads[0].done():
            self._stop.wait(self._random.uniform(0, 2 * plan.pace))
            _raise_failure(threads)
            often = plan.pauses / max(1, plan.kills) if counts.kills < plan.kills else 1.0
            if counts.pauses < plan.pauses and self._random.random() < often:
                self._crew.pause()
            if self._random.random() < ASKED_SHARE:
                self._crew.ask_to_end()
            self._crew.kill()
            self._progress()
        self._until("nobody is paused", lambda: not self._crew.paused, threads)

    def _quiet(self) -> bool:
        try:
            waiting = self._bus.stats().waiting
            # Whoever asks for them drops those of runs that have ended.
            self._machine.store.unpublished(1, self._machine.clock.now())
        except TransientError:
            return False
        with psycopg.connect(self._setting.database_url, autocommit=True) as connection:
            return not waiting and leftovers(connection) == Leftovers(0, 0, 0)

    def _until(self, what: str, holds: Callable[[], bool], threads: Sequence[Future[None]] = ()) -> bool:
        """Tend the crew until ``holds``; whether it does in time. Raises what a thread raised."""
        until = time.monotonic() + self._plan.patience
        while not holds():
            if time.monotonic() > until:
                self._say(f"this was waited for in vain: {what}")
                self._collect_evidence(what)
                return False
            time.sleep(LOOK_SECONDS)
            _raise_failure(threads)
            self._crew.tend()
            self._progress()
        _raise_failure(threads)
        return True

    def _progress(self) -> None:
        if time.monotonic() >= self._told + TELL_SECONDS:
            counts, books = self._crew.counts, self._client.books
            self._say(
                f"{counts.kills} kills, {len(self._crashes.restarts)} restarts, {counts.pauses} pauses;"
                f" {books.ended} jobs ended, {len(books.open)} under way"
            )

    def _say(self, what: str) -> None:
        self._told = time.monotonic()
        self._tell(f"{self._told - self._began:5.0f} s: {what}")

    def _collect_evidence(self, what: str) -> None:
        """Why a wait was in vain, as far as it can be told."""
        try:
            stats: object = self._bus.stats()
        except BusUnavailable as error:
            stats = error
        self._evidence += [
            f"seed {self._plan.seed}: in {self._plan.patience:.0f} s it did not come to this: {what}",
            *unfinished(self._setting.database_url),
            f"bus: {stats}\n{last_lines(self._setting.log_of('bus'), 10)}",
            *self._crew.accounts(),
        ]


def _raise_failure(threads: Sequence[Future[None]]) -> None:
    for thread in threads:
        if thread.done():
            thread.result()
