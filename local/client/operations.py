"""``submit``, ``cancel``, ``pause``, ``resume``, ``resubmit`` and ``replay``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.client.api import Api
from local.client.board import Output
from local.client.errors import ALL_WELL, NOT_REACHED, CallRefused, ServiceNotReached, WrongUse
from local.client.prefixes import SHORT, whole_id
from local.client.records import JobStatus, TaskLine
from local.client.text import cut, printable

SHOWN_TASKS = 20
MAX_PARAMS = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Submission:
    job_type: str
    params: Mapping[str, Any]
    tenant: str | None = None
    key: str | None = None


def submit(api: Api, submission: Submission, output: Output) -> JobStatus:
    submitted = api.submit(submission.job_type, submission.params, submission.tenant, submission.key)
    status = submitted.status
    verb = "Submitted" if submitted.created else "Known already"
    tell(output, {"event": "submitted", "created": submitted.created}, status, verb)
    return status


def act_on_each(api: Api, jobs: Sequence[str], action: str, body: Mapping[str, object], output: Output) -> int:
    """The exit code: that of the worst. What one job refuses does not hold up the others."""
    codes = [_act(api, job, action, body, output) for job in jobs]
    return max(codes, default=ALL_WELL)


def _act(api: Api, job: str, action: str, body: Mapping[str, object], output: Output) -> int:
    try:
        status = api.act(whole_id(api, job), action, body)
    except (CallRefused, WrongUse, ServiceNotReached) as error:
        print(f"local: {printable(job)[:SHORT]}: {error}", file=sys.stderr)
        if error.exit_code == NOT_REACHED:
            raise
        return error.exit_code
    tell(output, {"event": action}, status, DONE[action])
    return ALL_WELL


DONE = {
    "cancel": "Cancelled",
    "pause": "Paused",
    "resume": "Resumed",
    "resubmit": "Resubmitted",
    "replay": "Replayed",
}


def replay(api: Api, job: str, tasks: Mapping[str, Any] | None, actor: str, output: Output) -> JobStatus:
    """Another run of what failed in the latest one: all of it, or ``tasks`` with their parameters (``None``: the same).

    Raises :class:`CallRefused`.
    """
    job_id = whole_id(api, job)
    if output is Output.PEOPLE:
        _show_failed(api, job_id)
    status = api.act(job_id, "replay", {"actor": actor} | ({} if tasks is None else {"tasks": dict(tasks)}))
    tell(output, {"event": "replay"}, status, DONE["replay"])
    return status


def _show_failed(api: Api, job_id: str) -> None:
    page = api.tasks(job_id, {"status": ("failed", "cancelled")}, None, SHOWN_TASKS)
    for task in page.items:
        print(_task_line(task))
    if page.next is not None:
        print("  and more")


def _task_line(task: TaskLine) -> str:
    error = f"  {cut(printable(task.error), 80)}" if task.error is not None else ""
    return f"  {printable(task.name)}  {printable(task.status)}{error}"


def tell(output: Output, record: Mapping[str, object], status: JobStatus, verb: str) -> None:
    if output is Output.JSON:
        print(json.dumps({**record, **status.model_dump(mode="json")}), flush=True)
    elif output is Output.PEOPLE:
        kind, state = printable(status.job_type), printable(status.status)
        print(f"{verb}: {status.job_id[:SHORT]} run {status.run} ({kind}) is {state}", flush=True)


def chosen_tasks(names: Sequence[str], file: Path | None) -> Mapping[str, Any] | None:
    """What ``--task`` and ``--params`` ask for. Raises :class:`WrongUse`.

    With one task the file has its parameters; else it has an object of them, or null, for each task by name.
    """
    if file is None:
        return dict.fromkeys(names) if names else None
    given = read_object(f"@{file}", "--params")
    if len(names) == 1:
        return {names[0]: given}
    strangers = set(given) - set(names) if names else set()
    if strangers:
        raise WrongUse(f"--params: {min(strangers)!a} is not among the tasks that were named")
    if not all(value is None or isinstance(value, dict) for value in given.values()):
        raise WrongUse("--params: an object that has, for each task by name, an object of parameters or null")
    return {**dict.fromkeys(names), **given}


def read_object(text: str, option: str) -> dict[str, Any]:
    """A JSON object, or that of a file (``@file``) or of the standard input (``@-``). Raises :class:`WrongUse`."""
    content = _content(text, option)
    try:
        value = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"{option}: this is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise WrongUse(f"{option}: a JSON object, such as '{{\"n\": 3}}'")
    return value


def _content(text: str, option: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        if text == "@-":
            return sys.stdin.read(MAX_PARAMS)
        return Path(text[1:]).read_text("utf-8-sig")
    except OSError as error:
        raise WrongUse(f"{option}: {printable(text[1:])}: {error.strerror}") from error
    except ValueError:
        raise WrongUse(f"{option}: {printable(text[1:])} is not UTF-8") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
