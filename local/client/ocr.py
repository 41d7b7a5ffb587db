"""``python -m local ocr FILES``: documents go in, text, JSON and pictures come out in a folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from local.client.api import Api
from local.client.board import Board, Row
from local.client.errors import ALL_WELL, NOT_REACHED, SOME_FAILED, FileUnusable, ServiceNotReached
from local.client.http import Wait
from local.client.rates import duration
from local.client.reading import Document, Options, Outcome, Reading, check_file
from local.client.results import output_names
from local.client.text import printable

DEFAULT_OUTPUT = Path("build/ocr")


def read_documents(api: Api, files: Sequence[Path], options: Options, board: Board, wait: Wait) -> int:
    """The exit code. What is wrong with one file is told, and the others are read."""
    began = time.monotonic()
    documents, outcomes = _sorted_out(files)
    for outcome in outcomes:
        _tell(board, outcome)
    reading = Reading(api, options, wait)
    try:
        with board:
            for told in reading.run(documents):
                _note(told, outcomes, board)
    except KeyboardInterrupt:
        _say_what_runs(board, reading)
        raise
    _summary(board, outcomes, options, time.monotonic() - began)
    return exit_code(outcomes)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    if any(isinstance(outcome.error, ServiceNotReached) for outcome in outcomes):
        return NOT_REACHED
    fatal = [outcome.error.exit_code for outcome in outcomes if outcome.error is not None]
    return max(fatal, default=ALL_WELL if all(outcome.well for outcome in outcomes) else SOME_FAILED)


def _sorted_out(files: Sequence[Path]) -> tuple[list[Document], list[Outcome]]:
    """What can be sent, each file once, and how the others ended."""
    unique = list({_identity(file): file for file in reversed(files)}.values())[::-1]
    documents: list[Document] = []
    outcomes: list[Outcome] = []
    for file, name in zip(unique, output_names(unique), strict=True):
        document = Document(file, name, str(file))
        try:
            check_file(file)
            documents.append(document)
        except FileUnusable as error:
            outcomes.append(Outcome(document, state="not sent", error=error))
    return documents, outcomes


def _identity(file: Path) -> str:
    try:
        return str(file.resolve())
    except (OSError, RuntimeError, ValueError):
        return str(file)


def _note(told: Row | Outcome, outcomes: list[Outcome], board: Board) -> None:
    if isinstance(told, Row):
        board.show(told)
        return
    outcomes.append(told)
    if told.error is not None:
        board.show(Row(told.document.name, told.document.shown, told.state, ended=True, well=False))
    _tell(board, told)


def _tell(board: Board, outcome: Outcome) -> None:
    board.tell(_record(outcome), _line(outcome), bad=not outcome.well)


def _record(outcome: Outcome) -> dict[str, object]:
    saved = outcome.saved
    return {
        "event": "document",
        "file": str(outcome.document.path),
        "read": outcome.well,
        "status": outcome.state,
        "job_id": outcome.job_id or None,
        "run": outcome.run or None,
        "known": outcome.known,
        "pages": saved.pages if saved else None,
        "mean_confidence": saved.confidence if saved else None,
        "warnings": list(saved.warnings) if saved else [],
        "files": [str(file) for file in saved.files] if saved else [],
        "error": str(outcome.error) if outcome.error else None,
    }


def _line(outcome: Outcome) -> str:
    name = printable(outcome.document.shown)
    if outcome.saved is None:
        return f"Failed  {name}: {outcome.error}{_what_next(outcome)}"
    saved = outcome.saved
    facts = [f"{saved.pages} page{'' if saved.pages == 1 else 's'}"]
    if saved.confidence is not None:
        facts.append(f"{saved.confidence:.1%} confidence")
    facts += ["as it was read before"] if outcome.known else []
    facts += [] if outcome.state == "completed" else [outcome.state.replace("_", " ")]
    facts += [printable(warning) for warning in saved.warnings[:3]]
    return f"Read    {name}: {', '.join(facts)} -> {printable(saved.text or saved.files[0] if saved.files else '')}"


def _what_next(outcome: Outcome) -> str:
    """The same bytes are the same job, which has ended: sending them once more reads nothing."""
    job = outcome.job_id[:12]
    if not job:
        return ""
    return f" (job {job}; to try again: --again, or python -m local replay {job})" if outcome.known else f" (job {job})"


def _summary(board: Board, outcomes: Sequence[Outcome], options: Options, seconds: float) -> None:
    read = sum(outcome.well for outcome in outcomes)
    record = {
        "event": "summary",
        "files": len(outcomes),
        "read": read,
        "failed": len(outcomes) - read,
        "seconds": round(seconds, 3),
        "output": str(options.output),
    }
    line = f"{read} of {len(outcomes)} read in {duration(seconds)}"
    board.tell(record, line + (f"; results in {printable(options.output)}" if read else ""))


def _say_what_runs(board: Board, reading: Reading) -> None:
    """A job is the service's: the end of this command does not end it."""
    running, sending = reading.running(), reading.sending()
    record = {"event": "interrupted", "running": [status.job_id for status in running], "sending": sending}
    board.tell(record, "\n".join(_hints([status.job_id[:12] for status in running], sending)), bad=True)


def _hints(running: Sequence[str], sending: Sequence[str]) -> list[str]:
    lines = [f"{printable(name)} was being sent and may have become a job" for name in sending]
    if not running:
        return [*lines, "No job of this command is known to be running."]
    return [
        *lines,
        f"{len(running)} job{'' if len(running) == 1 else 's'} of this command run on.",
        f"  follow:  python -m local jobs {running[0]} --follow",
        f"  cancel:  python -m local cancel {' '.join(running)}",
    ]
