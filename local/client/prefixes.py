"""Job ids by their beginning, where the list of jobs can tell which is meant."""

from __future__ import annotations

import re

from local.client.api import Api
from local.client.errors import WrongUse

SHORT = 12
"""Digits of an id that are shown in a list."""
LEAST = 4
LOOKED_AT = 5_000
"""Runs of the list that are looked through, newest first."""
PAGE = 1_000

_PREFIX = re.compile(rf"[0-9a-f]{{{LEAST},64}}")


def whole_id(api: Api, given: str) -> str:
    """The job id that ``given`` begins. Raises :class:`WrongUse` where none does, or more than one."""
    prefix = given.strip().lower()
    if not _PREFIX.fullmatch(prefix):
        raise WrongUse(f"{given[:80]!a} is no job id, nor {LEAST} of its first digits or more")
    if len(prefix) == 64:
        return prefix
    found = _beginning(api, prefix)
    if len(found) > 1:
        listed = ", ".join(job_id[: len(prefix) + 6] for job_id in found[:5])
        raise WrongUse(f"{prefix} begins {len(found)} job ids ({listed}); give more digits")
    if not found:
        raise WrongUse(f"no job id begins with {prefix} among the last {LOOKED_AT} runs; 'jobs --all' lists them")
    return found[0]


def _beginning(api: Api, prefix: str) -> list[str]:
    found: dict[str, None] = {}
    cursor: object = None
    for _ in range(LOOKED_AT // PAGE):
        page = api.jobs({}, cursor, PAGE)
        found.update((job.job_id, None) for job in page.items if job.job_id.startswith(prefix))
        cursor = page.next
        if cursor is None:
            break
    return list(found)
