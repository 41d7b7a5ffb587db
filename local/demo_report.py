"""What the demo prints, made from the answers of the API. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from local.client.records import EventLine, JobStatus

RULE = "-" * 72
MOST_WARNINGS = 10


@dataclass(frozen=True, slots=True)
class Picture:
    """An overlay of one page, which counts from 1; ``name`` is the job's for it, ``suffix`` its end with the dot."""

    page: int
    name: str

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: of each stage by name, and from the submission to the end."""

    stages: Mapping[str, float]
    total: float


def report(result: Mapping[str, Any], times: Times, known_text: str | None = None) -> str:
    """``result`` is of a run that completed; ``known_text`` is what the page says, where that is known."""
    text = result["text"]
    lines = [RULE, text or "(no text was found)", RULE, f"Confidence  {_confidence(result['mean_confidence'])}"]
    if result["text_truncated"]:
        lines.append("Cut         the text above is not all; the file of the text is")
    if known_text is not None:
        lines.append(f"Accuracy    {_accuracy(text, known_text)}")
    lines += list(_warnings(result["warnings"]))
    lines += list(_files(result["artifacts"]))
    stages = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.stages.items())
    lines.append(f"Time        {stages}; {times.total:.2f} s in all")
    if "recognise_seconds" in result:
        lines.append(f"Reading     {result['recognise_seconds']:.2f} s of that, without loading the engine")
    return "\n".join(lines)


def _warnings(warnings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for warning in warnings[:MOST_WARNINGS]:
        value = "" if warning["value"] is None else f" {warning['value']}"
        where = "" if warning["page"] is None else f" on page {warning['page']}"
        yield f"Warning     {warning['code']}{value}{where}"
    if len(warnings) > MOST_WARNINGS:
        yield f"Warnings    {len(warnings) - MOST_WARNINGS} more"


def _files(artifacts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The files of the whole document; pictures of pages are told of as they are saved."""
    for artifact in artifacts:
        if artifact["page"] is None:
            name = PurePosixPath(artifact["name"]).name
            yield f"Artifact    {name} ({artifact['bytes']:,} bytes)"


def pictures(result: Mapping[str, Any]) -> Iterator[Picture]:
    """The previews of a result, in the order of the pages."""
    for artifact in result["artifacts"]:
        if artifact["kind"] == "preview":
            yield Picture(artifact["page"], artifact["name"])


def text_file(result: Mapping[str, Any]) -> str | None:
    """The job's name for the file with the whole text."""
    return next((artifact["name"] for artifact in result["artifacts"] if artifact["kind"] == "text"), None)


def times_of(status: JobStatus, events: Sequence[EventLine]) -> Times:
    """From a run's timeline, all of it: each stage from its start to its end."""
    names = {stage.number: stage.name for stage in status.stages}
    began: dict[int, datetime] = {}
    stages: dict[str, float] = {}
    for event in events:
        at = datetime.fromisoformat(event.at)
        if event.kind == "stage_started" and event.stage is not None:
            began[event.stage] = at
        if event.kind == "stage_ended" and event.stage in began:
            stages[names.get(event.stage, str(event.stage))] = (at - began[event.stage]).total_seconds()
    first, last = (datetime.fromisoformat(events[end].at) for end in (0, -1))
    return Times(stages, (last - first).total_seconds())


def differing_characters(read: str, known: str) -> int:
    """The Levenshtein distance of two texts: characters to insert, delete or replace; runs of white space count as one.

    Source: V. Levenshtein, 1966; the two-row form of Wagner and Fischer.
    """
    left, right = " ".join(read.split()), " ".join(known.split())
    row = list(range(len(right) + 1))
    for index, character in enumerate(left, start=1):
        above, row = row, [index]
        for position, other in enumerate(right):
            row.append(min(above[position + 1] + 1, row[position] + 1, above[position] + (character != other)))
    return row[-1]


def _confidence(mean: float | None) -> str:
    return "none" if mean is None else f"{mean:.1%} on average"


def _accuracy(read: str, known: str) -> str:
    differ, characters = differing_characters(read, known), len(" ".join(known.split()))
    return f"{differ} of {characters} characters differ from what is printed ({differ / max(characters, 1):.2%})"
