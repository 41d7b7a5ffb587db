"""Other programs that make a JPEG of at most so many bytes, where they are installed."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
from PIL import Image

if TYPE_CHECKING:
    from handlers.document.engine import Page

Encoder: TypeAlias = "Callable[[Page, int], bytes]"

_SECONDS = 60


def installed() -> Mapping[str, tuple[str, Encoder]]:
    """The version and the encoder of each."""
    found: dict[str, tuple[str, Encoder]] = {}
    magick = _image_magick()
    if magick is not None:
        found["ImageMagick"] = (_first_line([magick, "--version"]), lambda page, most: _convert(magick, page, most))
    if shutil.which("jpegoptim"):
        found["jpegoptim"] = (_first_line(["jpegoptim", "--version"]), _jpegoptim)
    return found


def _image_magick() -> str | None:
    """Its own program: there are others that are called ``convert``."""
    for name in ("magick", "/usr/bin/convert", "convert"):
        program = shutil.which(name)
        if program and "ImageMagick" in _first_line([program, "--version"]):
            return program
    return None


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    return (done.stdout.splitlines() or [""])[0].strip()


def _convert(program: str, page: Page, most: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "a.png"), Path(folder, "b.jpg")
        cv2.imwrite(str(source), page)
        command = [program, str(source), "-strip", "-define", f"jpeg:extent={most}b", str(made)]
        subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
        return made.read_bytes()


def _jpegoptim(page: Page, most: int) -> bytes:
    """From a JPEG of the highest quality, with all of its chroma: it takes nothing else. What it makes is often larger
    than it was asked for; it is then asked for a KB less, the least that it knows, so that the file may be compared.
    """
    file = io.BytesIO()
    Image.fromarray(page[:, :, ::-1]).save(file, "JPEG", quality=100, subsampling=0)
    asked = most // 1024
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "a.jpg")
        while True:
            made.write_bytes(file.getvalue())
            command = ["jpegoptim", "--quiet", "--strip-all", f"--size={asked}k", str(made)]
            subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
            if made.stat().st_size <= most or asked <= 1:
                return made.read_bytes()
            asked -= 1
