"""Long documents in one worker with the real OCR engine: pages a second, and whether its memory stays flat.

``python -m benchmarks.worker_pages``. The worker is ``python -m docker_worker`` on a real stack; a task reads a whole
document, and its process is not made anew. The resident sets of the worker and of the process that its task
runs in are looked at a few times a second; what is compared are the medians of the first and of the last quarter of the
pages behind the warm-up.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import psutil
from PIL import Image

from benchmarks.report import Goal, at_least, finish, parser
from benchmarks.stack_client import ENDED, StackClient, StackFailed
from handlers.document.limits import DocumentLimits
from local.errors import LocalError
from local.stack import Stack, StackOptions
from local.stack_process import Command, Late, ModuleProcess
from testing.documents import sample_page

READY = re.compile(r"\bworker_ready\b.*?(?P<url>http://[^\s\"]+)")
LOOK_SECONDS = 0.25
UNMEASURED = 2
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
OWN_PAGES = 10

MOST_PAGES = 100
"""Of one document, which its process has in memory."""


class Sample(NamedTuple):
    """``page`` is how many were done; the resident sets are in MB of 10**6 bytes."""

    page: int
    parent_mb: float
    child_mb: float


def drift(samples: Sequence[tuple[int, float]], warm_up: int, pages: int) -> float:
    """By how many percent the median of the last quarter of the pages behind the warm-up is over the first one's."""
    quarter = (pages - warm_up) / 4
    first = median(size for page, size in samples if warm_up <= page < warm_up + quarter)
    last = median(size for page, size in samples if page >= pages - quarter)
    return 100 * (last / first - 1)


def measure(document: bytes, pages: int, quality: str, warm_up: int) -> dict[str, object]:
    with TemporaryDirectory(prefix="worker-pages-") as name:
        folder = Path(name)
        (folder / "pages.tiff").write_bytes(document)
        environment = {
            **os.environ,
            "DOCUMENT_SOURCE_ROOTS": name,
            "DOCUMENT_MAX_BYTES": str(max(len(document), DocumentLimits().max_bytes)),
            "DOCKER_HTTP_PORT": "0",
            "DOCKER_WARM_UP": quality,
        }
        options = StackOptions(without=["worker"], environment=environment, ocr_engine="paddle")
        with Stack(options) as stack, StackClient(stack.url, stack.key) as client:
            worker = ModuleProcess(Command("docker_worker", [], READY, environment), lambda line: None)
            try:
                worker.begin(Late(environment={**stack.settings, "OCR_ENGINE": "paddle"}))
                ready = worker.wait_until_ready(threading.Event())
                assert ready is not None
                samples, seconds = _read_all(client, worker.pid, ready["url"], folder, pages, quality)
            finally:
                worker.stop(40.0)
    return {
        "pages": pages,
        "quality": quality,
        "pages_per_s": round(pages / seconds, 3),
        "seconds": round(seconds, 1),
        "parent_mb": round(samples[-1].parent_mb, 1),
        "child_mb": round(samples[-1].child_mb, 1),
        "child_peak_mb": round(max(sample.child_mb for sample in samples), 1),
        "peak_mb": round(max(sample.parent_mb + sample.child_mb for sample in samples), 1),
        "parent_drift_percent": round(drift([(s.page, s.parent_mb) for s in samples], warm_up, pages), 2),
        "child_drift_percent": round(drift([(s.page, s.child_mb) for s in samples], warm_up, pages), 2),
    }


def _read_all(
    client: StackClient, pid: int, url: str, folder: Path, pages: int, quality: str
) -> tuple[list[Sample], float]:
    """The document as often as it takes, the last time in part; the seconds are those of the reading alone."""
    samples: list[Sample] = []
    seconds = 0.0
    with httpx.Client(base_url=url, timeout=5.0) as http:
        for before in range(0, pages, MOST_PAGES):
            params = {
                "source": {"path": str(folder / "pages.tiff")},
                "preview": False,
                "quality": quality,
                "pages": f"1-{min(MOST_PAGES, pages - before)}",
                "pages_per_task": MOST_PAGES,
            }
            read, took = _read(client, pid, http, client.submit("ocr_document", params, f"from {before}"))
            samples += [sample._replace(page=before + sample.page) for sample in read]
            seconds += took
    return samples, seconds


def _read(client: StackClient, pid: int, http: httpx.Client, job_id: str) -> tuple[list[Sample], float]:
    began = time.monotonic()
    samples: list[Sample] = []
    started = None
    while client.status(job_id)["status"] not in ENDED:
        current: dict[str, Any] = http.get("/health").json()["current"] or {}
        if current and started is None:
            started = time.monotonic()
        if current.get("percent") is not None and current["task_type"] == "ocr_recognise_pages":
            samples.append(Sample(_page(current), *_sizes(pid)))
        time.sleep(LOOK_SECONDS)
    ended = client.status(job_id)
    if ended["status"] != "completed" or not samples:
        raise StackFailed(f"the document is {ended['status']}: {ended['error']}")
    return samples, time.monotonic() - (started or began)


def _page(task: Mapping[str, Any]) -> int:
    """How many were read; a task is named for its first and last page."""
    first, last = (int(part) for part in task["task_id"].split("-")[-2:])
    done: float = task["percent"] / 100 * (last - first + 1)
    return round(first - 1 + done)


def _sizes(pid: int) -> tuple[float, float]:
    parent = psutil.Process(pid)
    child = 0.0
    for process in parent.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child += process.memory_info().rss / 1e6
    return parent.memory_info().rss / 1e6, child


def pages_of(data: Path | None, pages: int) -> bytes:
    """A TIFF of the pictures in the folder, or of ten letters of our own, over and over, of a document's length."""
    if data is None:
        images = [sample_page(seed).image for seed in range(OWN_PAGES)]
    else:
        images = [_picture(path) for path in sorted(data.iterdir()) if path.suffix.lower() in PICTURES]
    if not images:
        raise StackFailed(f"{data} holds no picture")
    first, *rest = islice(cycle(images), min(pages, MOST_PAGES))
    written = BytesIO()
    first.save(written, "TIFF", save_all=True, append_images=rest, compression="jpeg")
    return written.getvalue()


def _picture(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("L")


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options().parse_args(arguments)
    try:
        measured = measure(pages_of(chosen.data, chosen.pages), chosen.pages, chosen.quality, chosen.warm_up)
    except (LocalError, StackFailed) as error:
        print(error, file=sys.stderr)
        return UNMEASURED
    print(
        "{pages} pages, {quality}: {pages_per_s} pages/s in {seconds} s; worker {parent_mb} MB, drift "
        "{parent_drift_percent} %; its task's process {child_mb} MB, {child_peak_mb} MB at most, drift "
        "{child_drift_percent} %; together {peak_mb} MB at most".format(**measured)
    )
    goals = [Goal("parent_drift_percent", "<=", 2.0, "%"), Goal("child_drift_percent", "<=", 2.0, "%")]
    return finish(chosen, {"python": platform.python_version(), **measured}, goals)


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__ or "")
    options.add_argument("--pages", type=at_least(20), default=300)
    options.add_argument("--warm-up", type=at_least(1), default=30, help="pages that do not count")
    options.add_argument("--quality", choices=["accurate", "fast"], default="accurate")
    options.add_argument("--data", type=Path, help="a folder of pictures; without it, letters of our own")
    return options


if __name__ == "__main__":
    sys.exit(main())
