"""The OCR benchmark as a command: what it measures is told, and so is why it could not."""

import json
from pathlib import Path

import pytest

from benchmarks.ocr import main
from testing.documents import sample_page

SEED = 3


def test_the_tiny_models_read_a_sample_and_the_figures_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = sample_page(SEED)
    (tmp_path / "letter_1.png").write_bytes(page.png)
    (tmp_path / "letter_1.txt").write_text(page.text, encoding="utf-8")

    code = main(["--data", str(tmp_path), "--quality", "fast", "--json"])

    told = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert code == 0
    assert told["cer_percent"] < 2.0
    assert told["word_f1_percent"] > 95.0
    assert told["pages_per_s"] > 0
    assert told["cold_start_seconds"] > 0
    assert told["peak_resident_mib"] > 50


@pytest.mark.parametrize("wrong", ["no folder", "no pages", "a text that is not UTF-8", "no models", "no picture"])
def test_a_benchmark_of_nothing_says_why_in_one_line_and_is_bad_usage(
    wrong: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(tmp_path), "--quality", "fast"]
    if wrong == "no folder":
        arguments[1] = str(tmp_path / "nope")
    elif wrong != "no pages":
        (tmp_path / "page.png").write_bytes(b"not a picture" if wrong == "no picture" else sample_page(SEED).png)
        (tmp_path / "page.txt").write_bytes(b"\xff" if wrong == "a text that is not UTF-8" else b"text")
    if wrong == "no models":
        arguments += ["--models", str(tmp_path)]

    code = main(arguments)

    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("benchmarks.ocr: ")
    assert err.count("\n") == 1
