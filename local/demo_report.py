"""What the demo prints, made from the answer of ``POST /api/test/run/ocr_document``. No I/O."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

RULE = "-" * 72


@dataclass(frozen=True, slots=True)
class Picture:
    """An overlay of one page, which counts from 1; ``suffix`` is that of its file name, with the dot."""

    page: int
    suffix: str
    data: bytes


def report(answer: Mapping[str, Any], known_text: str | None = None) -> str:
    """``answer`` is of a run that succeeded; ``known_text`` is what the page says, where that is known."""
    result = answer["result"]
    text = result["text"]
    lines = [RULE, text or "(no text was found)", RULE, f"Confidence  {_confidence(result['mean_confidence'])}"]
    if result["text_truncated"]:
        lines.append("Cut         the text above is not all; the artifact of kind 'text' is")
    if known_text is not None:
        lines.append(f"Accuracy    {_accuracy(text, known_text)}")
    lines.append(f"Time        {_times(answer['stages'])}; {answer['elapsed_seconds']:.2f} s in all")
    if "recognise_seconds" in result:
        lines.append(f"Reading     {result['recognise_seconds']:.2f} s of that, without loading the engine")
    shown, pages = sum(1 for _ in pictures(answer)), len(result.get("pages", ()))
    if shown < pages:
        lines.append(f"Pictures    of {shown} of the {pages} pages; the answer holds no more")
    return "\n".join(lines)


def pictures(answer: Mapping[str, Any]) -> Iterator[Picture]:
    """The previews that the answer carries, in the order of the pages."""
    contents = answer.get("artifacts", {})
    for artifact in answer["result"]["artifacts"]:
        if artifact["kind"] == "preview" and artifact["name"] in contents:
            data = base64.b64decode(contents[artifact["name"]]["content_base64"])
            yield Picture(artifact["page"], PurePosixPath(artifact["name"]).suffix, data)


def failure(answer: Mapping[str, Any]) -> str:
    """``CODE: message`` of an answer that is not a success."""
    error = answer.get("error")
    if isinstance(error, dict) and "code" in error:
        return f"{error['code']}: {error.get('message', '')}"
    return "the host answered with something that is not a result"


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


def _times(stages: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{stage['name']} {stage['elapsed_seconds']:.2f} s" for stage in stages)
