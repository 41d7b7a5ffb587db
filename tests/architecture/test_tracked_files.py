"""What is tracked says nothing of the machine that it was written on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Written so that this file does not hold what it looks for.
TRACES = re.compile(
    rb"(py)pi[.]org|(python)hosted[.]org|(npm)js[.](org|com)|debian[.]org|huggingface[.]co|modelscope[.]cn"
    rb"|/(work|root|opt)/[a-z]"
)


def tracked() -> list[Path]:
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize(
    "parts", [("files.python", "hosted.org"), ("npm", "js.com"), ("/wo", "rk/main"), ("/ro", "ot/x")]
)
def test_a_trace_is_recognised(parts: tuple[str, str]) -> None:
    assert TRACES.search("".join(("see ", *parts, " for more")).encode())


def test_no_registry_host_and_no_path_of_a_machine() -> None:
    found = {
        str(path.relative_to(ROOT)): match.group() for path in tracked() if (match := TRACES.search(path.read_bytes()))
    }

    assert found == {}


def test_no_model_and_nothing_large_is_tracked() -> None:
    files = tracked()

    assert [path for path in files if path.suffix in {".onnx", ".whl", ".pdparams"}] == []
    assert [path for path in files if path.stat().st_size > 2_000_000] == []
