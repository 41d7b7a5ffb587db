"""Named blocks of SQL: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from infrastructure.postgres.sql_blocks import FOLDER, load_blocks, parse_blocks, read_blocks

TWO = """\
-- About this file.

-- name: find_run
-- One run, or none: the task's own,
-- whoever asks.
SELECT *
    FROM coremachine.runs  -- the run's row
    -- not the stage's
    WHERE name <> '--' AND run_key = %(run_key)s;

-- name: all_runs
-- Every run.
SELECT 7 %% 2
"""


def test_a_block_is_a_name_a_description_and_a_statement_without_comments() -> None:
    first, second = parse_blocks(TWO)

    assert first.name == "find_run"
    assert first.description == "One run, or none: the task's own, whoever asks."
    assert first.statement == "SELECT *\nFROM coremachine.runs\nWHERE name <> '--' AND run_key = %(run_key)s"
    assert (second.name, second.statement) == ("all_runs", "SELECT 7 %% 2")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- name: a\n-- Does.\nSELECT 1\n-- name: a\n-- Does.\nSELECT 2", "twice: a"),
        ("-- name: a\nSELECT 1", "a: the lines after the name describe"),
        ("-- name: a\n--\nSELECT 1", "a: the lines after the name describe"),
        ("-- name: a\n-- Does.\n", "a: there is no statement"),
        ("-- name: a\n-- Does.\n;", "a: there is no statement"),
        ("-- name: a\n-- Does.\nSELECT 1; SELECT 2", "a: more than one statement"),
        ("-- name: a\n-- Does.\nSELECT %s", "a: parameters are named"),
        ("-- name: a\n-- Does.\nSELECT 7 % 2", "a: parameters are named"),
        ("-- name: a\n-- Does.\nSELECT %(B)s", "a: parameters are named"),
        ("-- name: a\n-- Does.\nSELECT 'one\ntwo'", "a: no literal goes over the end of a line"),
        ("-- name: findRun\n-- Does.\nSELECT 1", "findRun"),
        ("--name: a\n-- Does.\nSELECT 1", "--name: a"),
        ("SELECT 0;\n-- name: a\n-- Does.\nSELECT 1", "before the first name"),
    ],
)
def test_what_is_no_block_is_refused_with_its_name(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_blocks(text)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.sql"
    path.write_text("-- name: a\n-- Does.\n", "utf-8")

    with pytest.raises(ValueError, match=r"wrong\.sql: a: there is no statement"):
        read_blocks(path)


def test_blocks_are_loaded_by_name() -> None:
    assert load_blocks("migrations.sql")["applied"].startswith("SELECT version")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sql")), ids=lambda path: path.name)
def test_every_block_of_ours_is_short_enough_for_psycopg_to_cache(path: Path) -> None:
    long = {block.name for block in read_blocks(path) if len(block.statement) > MAX_CACHED_STATEMENT_LENGTH}

    assert long == set()
