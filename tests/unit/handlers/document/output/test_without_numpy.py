from __future__ import annotations

import subprocess
import sys

WRITES_ALL = """
import io, sys
for name in ("numpy", "cv2", "paddleocr", "onnxruntime", "pypdfium2", "pikepdf"): sys.modules[name] = None
from handlers.document import output
from tests.support.records import printed_page

class Pixels(bytearray):
    shape = (40, 60, 3)

for write in (output.write_text, output.write_hocr, output.write_alto, output.write_markdown):
    write([printed_page(1)], io.BytesIO())
output.write_analyze_result([printed_page(1)], io.BytesIO(), "a-model")
output.draw_overlay(Pixels(40 * 60 * 3), printed_page(1), 60)
print("written")
"""


def test_every_format_is_written_where_there_is_neither_numpy_nor_an_engine() -> None:
    done = subprocess.run([sys.executable, "-c", WRITES_ALL], capture_output=True, text=True, check=False)

    assert done.stdout == "written\n", done.stderr
