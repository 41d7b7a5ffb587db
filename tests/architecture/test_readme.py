"""What the README says is so: its code runs, its settings are the settings, its places exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infrastructure.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def shown(default: object) -> str:
    """A default as the table has it."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default != "" else ""


def test_the_python_code_runs() -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))

    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_the_table_of_settings_is_the_settings() -> None:
    table = README.partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| `")
    ]

    assert rows == [[f"`{f.alias}`", shown(f.default), f.description] for f in Settings.model_fields.values()]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))))
def test_the_targets_are_in_the_makefile(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("place", re.findall(r"^([a-z_]+(?:/|\.py|/design\.md))  ", README, re.MULTILINE))
def test_the_places_exist(place: str) -> None:
    assert (ROOT / place).exists()
