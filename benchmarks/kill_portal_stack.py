"""Portals' documents on the real stack, whose workers, or their tasks' processes, are killed in the middle of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from benchmarks.kill_portal_life import PORTAL, portrait
from benchmarks.kill_portal_truth import comparable, interrupted, repeated
from benchmarks.kill_worker_run import Disturbed, KillPlan, Run
from benchmarks.kill_worker_truth import COMPLETED, attempts, faults, statuses
from benchmarks.stack_client import StackClient
from handlers.portal.job import PROCESS, PROCESS_DOCUMENT
from handlers.portal.paths import PortalJobId, UserId, raw_path
from handlers.portal.sealing import owner_of_job
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.sealed.ring import sealed_over
from infrastructure.settings import Settings

LEASE = 3.0
MAX_BYTES = 1 << 30
SHOWN_FAULTS = 20


class Portraits:
    """One photograph again and again, each time for a user of its own."""

    child = "benchmarks.kill_portal_child"

    def __init__(self) -> None:
        self._owners: dict[str, tuple[UserId, PortalJobId]] = {}

    def prepare(self, folder: Path) -> None:
        return

    def submit(self, settings: Mapping[str, str], client: StackClient, key: str) -> str:
        user, job = UserId(str(uuid4())), PortalJobId(str(uuid4()))
        path = raw_path(user, job, 1, "photo.png")
        found = Settings.from_environment(settings)
        with closing(AzureBlobStore(blob_service(found), found.storage_container)) as blobs:
            sealed_over(found)(blobs).put(path, [portrait()], owner_of_job(user, job), MAX_BYTES)
        asked = {"raw_path": path, "mime_type": "image/png", "original_filename": "photo.png"}
        params = {"job_id": job, "user_id": user, "portal_schema": {"name": PORTAL.name}, "input": asked}
        job_id = client.submit(PROCESS_DOCUMENT, params, key)
        self._owners[job_id] = user, job
        return job_id

    def blobs(self, settings: Mapping[str, str], job_id: str) -> Mapping[str, bytes]:
        """Opened, and as each of the jobs has them."""
        user, job = self._owners[job_id]
        found = Settings.from_environment(settings)
        with closing(AzureBlobStore(blob_service(found), found.storage_container)) as blobs:
            store, owner = sealed_over(found)(blobs), owner_of_job(user, job)
            return comparable({name: store.read(name, owner, MAX_BYTES) for name in blobs.names("") if user in name})


def measure(kills: int, seed: int) -> dict[str, object]:
    plan = KillPlan(kills=kills, workers=2, lease=LEASE, seed=seed)
    return Run(plan, Portraits()).disturb(_judged)


def _judged(found: Disturbed) -> dict[str, object]:
    jobs = list(found.blobs)
    rows = attempts(found.settings, jobs, PROCESS.number)
    wrong = [*faults(found.reference, found.blobs, statuses(found.settings, jobs), rows), *repeated(found.notes)]
    for line in wrong[:SHOWN_FAULTS]:
        print(line, file=sys.stderr)
    victims = Counter(kill.victim for kill in found.kills)
    return {
        "kills": len(found.kills),
        "kills_of_worker": victims["worker"],
        "jobs": len(jobs),
        "files": len(found.reference),
        "attempts": len(rows),
        "attempts_lost": sum(row.outcome != COMPLETED for row in rows),
        "stages_interrupted": dict(interrupted(found.notes)),
        "children_left": found.survivors,
        "faults": len(wrong),
        "seconds": round(found.seconds, 1),
    }
