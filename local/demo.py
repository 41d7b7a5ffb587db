"""``python -m local.demo [FILE]``: a page goes in over HTTP, its text comes out.

Without a file it reads a sample page whose text is known. It starts the local host on a free port, runs the job
``ocr_document`` through ``/api/test/run``, prints the text, and leaves the overlay pictures in the output folder.
Exit codes: 0 read, 1 not read, 2 wrong arguments, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn

from local.child_host import child_host
from local.demo_report import failure, pictures, report
from local.errors import DemoFailed, LocalError
from local.functions_host.auth import KEY_HEADER, Keys
from local.settings_file import EXAMPLE_NAME, FILE_NAME, read_settings_file
from testing.documents import sample_page

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = Path("build/demo")
JOB_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Document:
    """``path`` as it was given; ``source`` is the file itself, past all links; ``text`` what it says, where known."""

    path: Path
    source: Path
    text: str | None = None


class _Terminated(BaseException):
    """SIGTERM, on its way past everything that has to be stopped."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a text may have what the terminal has not
    try:
        with _ends_at_sigterm():
            _demo(options.file, options.output)
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
    parser.add_argument("file", nargs="?", type=Path, help="JPEG, PNG or TIFF (default: a sample page)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the pictures (default: %(default)s)")
    return parser


def _demo(file: Path | None, output: Path) -> None:
    document = None if file is None else _given(file)
    output.mkdir(parents=True, exist_ok=True)
    document = document or _sample(output)
    print(f"Reading {document.path} through the local Functions host ...", flush=True)
    settings_file = _settings_file()
    with (
        _patient_host_file() as host_file,
        child_host(ROOT, settings_file, _environment(document), host_file) as url,
    ):
        answer = _run_job(url, document.source.name, read_settings_file(settings_file).keys)
    print(report(answer, document.text))
    for picture in pictures(answer):
        path = output / f"{document.path.stem}-{picture.page:04d}-overlay{picture.suffix}"
        path.write_bytes(picture.data)
        print(f"Picture     {path}")


@contextmanager
def _patient_host_file() -> Iterator[Path]:
    """The app's own host.json without its time limit: that of the harness holds, which many pages may need."""
    host = json.loads((ROOT / "host.json").read_text("utf-8")) | {"functionTimeout": "-1"}
    with tempfile.TemporaryDirectory(prefix="coremachine-demo-") as folder:
        path = Path(folder, "host.json")
        path.write_text(json.dumps(host), "utf-8")
        yield path


def _settings_file() -> Path:
    """The user's own when there is one, so that the demo shows the host as they have set it up."""
    own = ROOT / FILE_NAME
    return own if own.is_file() else ROOT / EXAMPLE_NAME


def _sample(output: Path) -> Document:
    page = sample_page()
    path = output / "page.png"
    path.write_bytes(page.png)
    return Document(path, path.resolve(), page.text)


def _given(file: Path) -> Document:
    if not file.exists():
        raise DemoFailed(f"there is no file {_printable(file)}")
    if not file.is_file():
        raise DemoFailed(f"{_printable(file)} is not a file")
    source = file.resolve()
    if _printable(file) != str(file) or _printable(source) != str(source):
        raise DemoFailed(f"{_printable(source)} is not UTF-8, and JSON can name no such file; rename it")
    if ";" in str(source.parent):
        raise DemoFailed(f"the folder of {file} has a ';' in its name, which separates folders; move the file")
    return Document(file, source)


def _printable(path: Path) -> str:
    """With what is not UTF-8 in it escaped."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def _environment(document: Document) -> dict[str, str]:
    """The document's folder is the only one that the host may read documents from."""
    return {
        "DOCUMENT_SOURCE_ROOTS": str(document.source.parent),
        "ENABLE_TEST_ENDPOINTS": "true",
        "TEST_TIMEOUT_SECONDS": os.environ.get("TEST_TIMEOUT_SECONDS", str(JOB_SECONDS)),
    }


def _run_job(url: str, name: str, keys: Keys) -> Mapping[str, Any]:
    """The answer of a run that succeeded. Raises :class:`DemoFailed`."""
    body = json.dumps({"params": {"source": {"path": name}}, "artifacts": True}).encode()
    request = urllib.request.Request(  # noqa: S310 - the address is that of the host just started
        f"{url}/api/test/run/ocr_document",
        data=body,
        headers={"content-type": "application/json", **_key_header(keys)},
    )
    answer = _send(request)
    if answer.get("success") is not True:
        raise DemoFailed(failure(answer))
    return answer


def _key_header(keys: Keys) -> dict[str, str]:
    key = keys.master or next(iter(keys.host.values()), None)
    return {} if key is None else {KEY_HEADER: key}


def _send(request: urllib.request.Request) -> dict[str, Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=JOB_SECONDS) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        content = error.read()
        if not content:
            raise DemoFailed(f"the host answered {error.code}; 'python -m local up' shows its log") from error
    except (OSError, HTTPException) as error:
        raise DemoFailed(f"the host ended during the run ({error}); 'python -m local up' shows its log") from error
    answer: dict[str, Any] = json.loads(content)
    return answer


if __name__ == "__main__":
    sys.exit(main())
