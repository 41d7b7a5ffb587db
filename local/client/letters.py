"""``python -m local dead-letters``: what could not be delivered, and sending it again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from local.client.api import Api
from local.client.board import Output
from local.client.errors import ALL_WELL, SOME_FAILED, ServiceNotReached
from local.client.jobs import short_time
from local.client.records import JobError, Letter
from local.client.text import cut, printable, table

PAGE = 200
AT_ONCE = 100
"""The service takes no more in one call."""
HEADS = ("ID", "QUEUE", "RECORDED (UTC)", "SENT AGAIN", "MESSAGE", "REASON")


class _NotReplayed(BaseModel):
    id: int
    error: JobError


class _Replayed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[Letter] = []
    failed: list[_NotReplayed] = []


def list_letters(api: Api, after: int, limit: int | None, output: Output) -> int:
    letters = _letters(api, after, limit)
    if output is Output.JSON:
        for letter in letters:
            print(letter.model_dump_json(), flush=True)
    elif output is Output.PEOPLE:
        _print_table(list(letters))
    return ALL_WELL


def replay_letters(api: Api, ids: Sequence[int], actor: str, output: Output) -> int:
    """1 where one of them was not sent again."""
    unique = list(dict.fromkeys(ids))
    failed = 0
    for start in range(0, len(unique), AT_ONCE):
        replayed = _replayed(api.replay_letters(unique[start : start + AT_ONCE], actor).body, api)
        failed += len(replayed.failed)
        _tell(replayed, output)
    return SOME_FAILED if failed else ALL_WELL


def _replayed(body: bytes, api: Api) -> _Replayed:
    try:
        return _Replayed.model_validate_json(body)
    except ValidationError:
        raise ServiceNotReached(f"{api.http.service.url} does not answer as CoreMachine does") from None


def _tell(replayed: _Replayed, output: Output) -> None:
    for letter in replayed.items:
        if output is Output.JSON:
            print(json.dumps({"event": "replayed", **letter.model_dump(mode="json")}), flush=True)
        elif output is Output.PEOPLE:
            print(f"Sent again: {letter.id} ({printable(letter.message_id)})", flush=True)
    for refused in replayed.failed:
        if output is Output.JSON:
            print(json.dumps({"event": "not_replayed", **refused.model_dump(mode="json")}), flush=True)
        else:
            print(f"local: dead letter {refused.id}: {printable(refused.error)}", file=sys.stderr)


def _letters(api: Api, after: int, limit: int | None) -> Iterator[Letter]:
    position: object = after
    left = limit
    while left is None or left > 0:
        page = api.letters(position, PAGE if left is None else min(PAGE, left))
        yield from page.items
        left = None if left is None else left - len(page.items)
        position = page.next
        if position is None or not page.items:
            return


def _print_table(letters: list[Letter]) -> None:
    if not letters:
        print("No dead letters.")
        return
    for line in table(HEADS, [_cells(letter) for letter in letters]):
        print(line)


def _cells(letter: Letter) -> tuple[object, ...]:
    reason = f"{letter.reason}: {letter.description}" if letter.description else letter.reason
    again = f"{letter.replays}x by {letter.replayed_by}" if letter.replays else ""
    message = f"{letter.message_type} {letter.message_id}"
    return (
        letter.id,
        letter.queue,
        short_time(letter.recorded_at),
        cut(printable(again), 24),
        cut(printable(message), 48),
        cut(printable(reason), 100),
    )
