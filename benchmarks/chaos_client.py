"""Who submits the jobs of a chaos run, again where the answer was lost, and watches them end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from threading import Event
from typing import Any

import psycopg

from benchmarks.chaos_jobs import JOBS, JobParams
from benchmarks.chaos_server import STATEMENTS
from core.errors import TransientError
from core.ids import JobId
from core.machine import CoreMachine

LOOK_SECONDS = 0.1

KINDS = ("sums", "sums", "sums", "sums", "tolerant_sums", "tolerant_sums", "doomed_sums")
SMALLEST = 6
"""Tasks of a job's first stage; fewer would lack the one that fails."""

TWICE = 0.2
"""The share of jobs that are submitted again though nothing went wrong."""


@dataclass(frozen=True, slots=True)
class Job:
    job_type: str
    params: JobParams


@dataclass(slots=True)
class Books:
    """What was submitted, and what of it has ended. ``fingerprints`` are of the runs when they were first seen ended.

    ``unanswered`` were submitted and the answer was lost: they are submitted again.
    """

    submitted: dict[JobId, Job] = field(default_factory=dict)
    unanswered: list[Job] = field(default_factory=list)
    open: set[JobId] = field(default_factory=set)
    fingerprints: dict[int, str] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        return len(self.submitted) - len(self.open)


class Client:
    """Keeps ``jobs`` jobs under way, their stages of up to ``largest`` tasks. For one thread."""

    def __init__(self, machine: CoreMachine, url: str, random: Random, *, jobs: int, largest: int) -> None:
        self._machine = machine
        self._url = url
        self._random = random
        self._jobs = jobs
        self._largest = largest
        self._numbers = count()
        self.books = Books()

    def run(self, enough: Event, stop: Event) -> None:
        """Until ``enough`` is set and everything that was submitted has ended, or ``stop`` is set."""
        while not stop.wait(LOOK_SECONDS):
            self._look()
            if enough.is_set() and not self.books.open and not self.books.unanswered:
                return
            self._submit_missing(enough)

    def _submit_missing(self, enough: Event) -> None:
        again, self.books.unanswered = self.books.unanswered, []
        for job in again:
            self._submit(job)
        while not enough.is_set() and len(self.books.open) + len(self.books.unanswered) < self._jobs:
            self._submit(self._new_job())

    def _new_job(self) -> Job:
        params = JobParams(n=self._random.randint(SMALLEST, self._largest), number=next(self._numbers))
        return Job(self._random.choice(KINDS), params)

    def _submit(self, job: Job) -> None:
        try:
            for _ in range(2 if self._random.random() < TWICE else 1):
                job_id = self._machine.submit(job.job_type, job.params.model_dump()).run.job_id
                if job_id not in self.books.submitted:
                    self.books.open.add(job_id)
                self.books.submitted[job_id] = job
        except TransientError:
            self.books.unanswered.append(job)

    def _look(self) -> None:
        """Take note of the runs that have ended. Where the database is away the next look will."""
        if not self.books.open:
            return
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                ended = connection.execute(STATEMENTS["newly_ended"], {"job_ids": list(self.books.open)}).fetchall()
                self.books.fingerprints |= fingerprints(connection, [run_key for run_key, _ in ended])
        except psycopg.OperationalError:
            return
        self.books.open -= {job_id for _, job_id in ended}


def fingerprints(connection: psycopg.Connection[Any], run_keys: Sequence[int]) -> dict[int, str]:
    """A hash of all that each run has come to."""
    return dict(connection.execute(STATEMENTS["fingerprints"], {"run_keys": list(run_keys)}).fetchall())


assert set(KINDS) == set(JOBS)
