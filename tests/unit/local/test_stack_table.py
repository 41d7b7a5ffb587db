from __future__ import annotations

from local.stack_table import Row, table, welcome

ROWS = [Row("database", 12, "postgresql://x", "logs/database.log"), Row("storage", 0, "named by AZURE")]


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert table(ROWS).splitlines() == [
        "part      pid      address         log",
        "database  12       postgresql://x  logs/database.log",
        "storage   outside  named by AZURE",
    ]


def test_the_call_to_try_has_the_header_of_the_key_but_not_the_key() -> None:
    shown = welcome(ROWS, "http://127.0.0.1:7071", key=True, data="/data", seconds=1.25)
    assert 'curl -X POST -H "x-functions-key: $COREMACHINE_KEY" ' in shown
    assert "'http://127.0.0.1:7071/api/documents?filename=scan.jpg'" in shown
    assert "Ready in 1.2 s; the data is in /data; " in shown


def test_without_a_host_there_is_nothing_to_call() -> None:
    assert "curl" not in welcome(ROWS, "", key=False, data="/data", seconds=1.0)
