"""A package that is not installed is named by whatever task needs it, with how to install it."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from PIL import Image

from handlers.document.errors import OCR_INSTALL_HINT
from testing.documents import sample_page
from testing.heic import heic_of
from tests.support.pdfs import PageSpec, make_pdf

JOB = """
import base64, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())

from core.errors import CoreMachineError
from docker_worker.engines import engine_provider
from handlers.document import SourceReader, document_handlers, document_jobs
from infrastructure.settings import Settings
from testing.factories import Registries, create_test_harness
from testing.ocr_engines import ReadsText, always

engines = engine_provider(Settings.from_environment({})) if "real" in sys.argv else always(ReadsText(["a line"]))
registries = Registries.of(document_jobs(), document_handlers(engines, SourceReader()))
harness, _ = create_test_harness(registries)
source = {"content_base64": sys.stdin.read()}
try:
    harness.submit("ocr_document", {"source": source, "outputs": ["text", "searchable_pdf"]})
    harness.drain()
except CoreMachineError as error:
    print(error.code, error.message)
"""


def told(package: str, document: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", JOB, package, *arguments], input=document, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    found = {
        "png": sample_page().png,
        "pdf": make_pdf(PageSpec(b"BT /F1 12 Tf 20 360 Td (A page) Tj ET")),
        "heic": heic_of(Image.new("RGB", (64, 64), "white")),
    }
    return {name: base64.b64encode(data).decode() for name, data in found.items()}


@pytest.mark.parametrize(
    ("package", "document", "arguments"),
    [
        ("numpy", "png", []),
        ("numpy", "pdf", []),
        ("cv2", "png", []),
        ("pypdfium2", "pdf", []),
        ("pikepdf", "pdf", []),
        ("pi_heif", "heic", []),
        ("fontTools", "png", []),
        ("paddleocr", "png", ["real"]),
    ],
)
def test_a_missing_package_is_named(
    package: str, document: str, arguments: list[str], documents: dict[str, str]
) -> None:
    answer = told(package, documents[document], *arguments)

    assert answer.startswith("DEPENDENCY_MISSING ")
    assert answer.endswith(f" is not installed: {OCR_INSTALL_HINT}")
    assert {"cv2": "OpenCV"}.get(package, package) in answer
