"""The files of migrations: how they are called, numbered and recognised."""

from __future__ import annotations

from pathlib import Path

import pytest

from infrastructure.postgres.migrations import main, read_migrations


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_bytes(text.encode())
    return folder


def test_they_are_read_in_order(tmp_path: Path) -> None:
    found = read_migrations(written(tmp_path, m0002_more="SELECT 2", m0001_first="SELECT 1"))

    assert [(migration.version, migration.name, migration.statements) for migration in found] == [
        (1, "0001_first", "SELECT 1"),
        (2, "0002_more", "SELECT 2"),
    ]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["0001_a", "0003_c"], "0003_c: the next number is 0002"),
        (["0001_a", "0001_b"], "0001_b: the next number is 0002"),
        (["0002_b"], "0002_b: the next number is 0001"),
        (["1_a"], "1_a.sql: a migration is called NNNN_name.sql"),
        (["0001_A"], "0001_A.sql: a migration is called"),
        (["0001"], "0001.sql: a migration is called"),
    ],
)
def test_a_number_that_is_left_out_or_there_twice_is_refused(tmp_path: Path, names: list[str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_migrations(written(tmp_path, **{f"m{name}": "" for name in names}))


def test_line_ends_make_no_other_migration(tmp_path: Path) -> None:
    (tmp_path / "unix").mkdir()
    (tmp_path / "windows").mkdir()
    unix = read_migrations(written(tmp_path / "unix", m0001_a="SELECT\n1\n"))
    windows = read_migrations(written(tmp_path / "windows", m0001_a="SELECT\r\n1\r\n"))

    assert unix[0].sha256 == windows[0].sha256


def test_there_are_some() -> None:
    assert read_migrations()[0].version == 1


def test_the_command_says_which_setting_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {}) == 1
    assert "SETTINGS_INVALID: DATABASE_URL or POSTGRES_HOST" in capsys.readouterr().err
