"""``python -m local.demo [FILE]``: a page goes in over HTTP, its text comes out.

Without a file it reads a sample page whose text is known. It starts the whole stack on free ports with data that is
thrown away, sends the document to ``POST /api/documents``, shows how the job goes, prints the text, and leaves the
overlay pictures in the output folder. Exit codes: 0 read, 1 not read, 2 wrong arguments, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from local.client.address import Service
from local.client.api import Api
from local.client.board import Output, Row, board_for
from local.client.follow import Seen, finished, follow
from local.client.http import Http
from local.client.rates import UNKNOWN
from local.client.records import EventLine, JobStatus
from local.client.results import write_whole
from local.client.text import printable
from local.demo_report import Times, pictures, report, text_file, times_of
from local.errors import DemoFailed, LocalError
from local.stack import Stack, StackOptions
from local.stack_file import FOLDER
from local.stack_process import ROOT
from testing.documents import sample_page

OUTPUT = Path("build/demo")
LOGS = Path(FOLDER, "demo", "logs")
POLL_SECONDS = 0.1
"""The service is ours alone, and asks for less of its callers in general."""

EVENTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Document:
    """``path`` as it was given; ``text`` what it says, where known."""

    path: Path
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What came of a document: the result of its job, and how long the job took."""

    status: JobStatus
    result: dict[str, Any]
    times: Times


class _Terminated(BaseException):
    """SIGTERM, on its way past everything that has to be stopped."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a text may have what the terminal has not
    try:
        with _ends_at_sigterm():
            _demo(options)
    except LocalError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        return 130
    except _Terminated:
        return 143
    return 0


def _failed(line: str) -> int:
    print(f"demo: {line}", file=sys.stderr)
    return 1


@contextmanager
def _ends_at_sigterm() -> Iterator[None]:
    def end(*_: object) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description="Reads a document and shows its text.")
    parser.add_argument("file", nargs="?", type=Path, help="an image or a PDF (default: a sample page)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the pictures (default: %(default)s)")
    parser.add_argument("--ocr-engine", choices=("paddle", "test"), help="test reads a fixed text at once")
    return parser


def _demo(options: argparse.Namespace) -> None:
    document = None if options.file is None else _given(options.file)
    options.output.mkdir(parents=True, exist_ok=True)
    document = document or _sample(options.output)
    print("Starting database, Service Bus, storage, Functions host and worker ...", flush=True)
    began = time.monotonic()
    with Stack(StackOptions(ocr_engine=options.ocr_engine, logs=ROOT / LOGS)) as stack:
        print(f"Stack       ready in {time.monotonic() - began:.1f} s at {stack.url}; logs in {LOGS}", flush=True)
        api = Api(Http(Service(stack.url, stack.key, local=True), threading.Event().wait))
        read = _read(api, document)
        print(report(read.result, read.times, document.text))
        for label, path in _saved(api, read, document, options.output):
            print(f"{label:12}{path}")


def _read(api: Api, document: Document) -> Read:
    """Raises :class:`DemoFailed` with the code of the job's error."""
    pause = threading.Event()
    with board_for(Output.PEOPLE) as board:
        status = api.upload(document.path, {"preview": True}, None).status
        for seen in follow(api, status, lambda seconds: pause.wait(min(seconds, POLL_SECONDS))):
            status = seen.status
            for row in stage_rows(seen):
                board.show(row)
    if status.error is not None:
        raise DemoFailed(str(status.error))
    result = api.result(status.job_id, status.run).result
    if result is None:
        raise DemoFailed(f"the job ended as {status.status}")
    return Read(status, result, times_of(status, _events(api, status)))


def stage_rows(seen: Seen) -> Iterator[Row]:
    """A bar for each stage that was opened."""
    for stage in seen.status.stages:
        if stage.status != "waiting":
            yield Row(
                key=stage.name,
                name=stage.name,
                state=stage.status,
                percent=stage.percent or 0.0,
                done=finished(stage),
                total=stage.total,
                pace=seen.pace if stage.status == "running" else UNKNOWN,
                ended=stage.status != "running",
                well=stage.failed == 0,
            )


def _events(api: Api, status: JobStatus) -> list[EventLine]:
    events: list[EventLine] = []
    after: object = None
    while True:
        page = api.events(status.job_id, status.run, after, EVENTS_AT_ONCE)
        events += page.items
        if page.next is None:
            return events
        after = page.next


def _saved(api: Api, read: Read, document: Document, output: Path) -> Iterator[tuple[str, Path]]:
    """Each file that was left in the output folder, with what it is."""
    stem = document.path.stem
    whole = text_file(read.result)
    if read.result["text_truncated"] and whole is not None:
        path = output / f"{stem}.txt"
        api.file(read.status.job_id, whole, partial(write_whole, path))
        yield "Text", path
    for picture in pictures(read.result):
        path = output / f"{stem}-{picture.page:04d}-overlay{picture.suffix}"
        api.file(read.status.job_id, picture.name, partial(write_whole, path))
        yield "Picture", path


def _sample(output: Path) -> Document:
    page = sample_page()
    path = output / "page.png"
    path.write_bytes(page.png)
    return Document(path, page.text)


def _given(file: Path) -> Document:
    if not file.exists():
        raise DemoFailed(f"there is no file {printable(file)}")
    if not file.is_file():
        raise DemoFailed(f"{printable(file)} is not a file")
    return Document(file)


if __name__ == "__main__":
    sys.exit(main())
