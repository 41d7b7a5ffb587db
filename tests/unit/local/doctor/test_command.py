"""``python -m local doctor``: what is gathered, said and left unsaid, and the exit codes."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from infrastructure.settings import Settings
from local.doctor import add_command, add_commands, probes
from local.doctor.facts import BusTold, NotNamed, QueueTold, StorageTold, Unreachable
from local.doctor.findings import Code
from local.doctor.gathering import Place, gather, own_rules
from local.doctor.hiding import HIDDEN, hidden, secrets_of
from local.stack_file import StackFile, StackPart, write

ROOT = Path(__file__).resolve().parents[4]
SECRET = "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5"
NOWHERE = "127.0.0.1:9"


def doctor(*arguments: object) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers(required=True))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            options = parser.parse_args(["doctor", *map(str, arguments)])
            code = int(options.run(options))
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*Settings.names(), "SERVICE_BUS_CONNECTION__fullyQualifiedNamespace"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with the app's own host.json and settings as the example has them."""
    (tmp_path / "host.json").write_bytes((ROOT / "host.json").read_bytes())
    settings(tmp_path)
    return tmp_path


def settings(folder: Path, **values: str) -> Path:
    example = json.loads((ROOT / "local.settings.json.example").read_text("utf-8"))
    example["Values"] |= {"OCR_ENGINE": "test", **values}
    path = folder / "local.settings.json"
    path.write_text(json.dumps(example), "utf-8")
    path.chmod(0o600)
    return path


def codes(out: str) -> set[str]:
    return {finding["code"] for finding in json.loads(out)["findings"]}


def test_the_example_and_our_host_file_have_no_error(app: Path) -> None:
    code, out, _ = doctor("--json", "--script-root", app)

    assert code == 0
    assert json.loads(out)["counts"]["error"] == 0


def test_an_error_is_exit_code_1_with_its_fix(app: Path) -> None:
    settings(app, DOCKER_DB_POOL_MAX="2")

    code, out, _ = doctor("--script-root", app)

    assert code == 1
    assert "POOL_SMALLER_THAN_CALLS  DOCKER_DB_POOL_MAX" in out
    assert "Fix: set DOCKER_DB_POOL_MAX to" in out
    assert out.splitlines()[-1].startswith("1 error, ")


@pytest.mark.parametrize(
    "arguments", [["--settings", "/no/such/file"], ["--script-root", "/no/such"], ["--instances", 0]]
)
def test_wrong_use_is_exit_code_2(arguments: list[object]) -> None:
    assert doctor(*arguments)[0] == 2


def test_named_settings_are_looked_at_and_the_stack_is_not(app: Path, tmp_path: Path) -> None:
    write(app, StackFile("http://x", "", os.getpid(), {}, {"DOCKER_DB_POOL_MAX": "1"}))
    other = tmp_path / "other"
    other.mkdir()

    assert doctor("--script-root", app, "--offline")[0] == 1
    assert doctor("--script-root", app, "--settings", settings(other), "--offline")[0] == 0


def planted() -> dict[str, str]:
    return {
        "DATABASE_URL": f"postgresql://app:{SECRET}%21@{NOWHERE}/x?sslpassword={SECRET}",
        "POSTGRES_PASSWORD": SECRET,
        "SERVICE_BUS_CONNECTION": f"Endpoint=sb://{NOWHERE};SharedAccessKeyName=n;SharedAccessKey={SECRET};"
        "UseDevelopmentEmulator=true",
        "AZURE_STORAGE_CONNECTION_STRING": f"AccountName=a;AccountKey={SECRET};BlobEndpoint=http://{NOWHERE}/a",
        "AzureWebJobsStorage": f"AccountName=b;AccountKey={SECRET}",
        "RETENTION_DAYS": SECRET,
        "OCR_ENGINE": SECRET,
        "WHAT_TOKEN": SECRET,
        "SERVICE_BUS_FQDN": f"{SECRET}.net;SharedAccessKey={SECRET}",
        "JOBS_QUEUE": f"a;SharedAccessKey={SECRET}",
        "SERVICE_BUS_CONNECTION__fullyQualifiedNamespace": f"x/?sig={SECRET}",
    }


@pytest.mark.parametrize("left_out", [[], ["SERVICE_BUS_FQDN", "JOBS_QUEUE"], ["SERVICE_BUS_CONNECTION"]])
@pytest.mark.parametrize("form", [["--json"], []])
def test_no_secret_is_ever_shown(app: Path, form: list[str], left_out: list[str]) -> None:
    values = {name: value for name, value in planted().items() if name not in left_out}
    settings(app, **values)
    host = json.loads((app / "host.json").read_text("utf-8"))
    host["connection"] = f"Endpoint=sb://a.net;SharedAccessKey={SECRET}"
    (app / "host.json").write_text(json.dumps(host, indent=1), "utf-8")
    (app / "local.settings.json.example").write_text(f'"AccountKey={SECRET}"', "utf-8")

    code, out, err = doctor(*form, "--script-root", app)

    assert code == 1
    assert SECRET not in out + err
    assert SECRET[:12] not in out + err
    for found in (Code.SECRET_IN_WRONG_FILE, Code.SETTING_INVALID, Code.DATABASE_UNREACHABLE, Code.BUS_UNREACHABLE):
        assert found in out


def test_the_last_look_hides_what_is_secret_and_leaves_the_rest() -> None:
    secrets = secrets_of({"DATABASE_URL": "host=h password='top secret' dbname=d", "NAME": "plain", "API_KEY": "abc"})

    assert hidden("top secret plain abc", secrets) == f"{HIDDEN} plain abc"


def test_a_service_that_does_not_answer_is_a_finding_in_bounded_time(
    app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()

    def hanging(*_: object) -> NotNamed:
        end.wait()
        return NotNamed()

    for name in ("database", "bus", "blobs"):
        monkeypatch.setattr(probes, name, hanging)
    try:
        facts = gather(Place(app, app / "local.settings.json", {}), seconds=0.05).facts
    finally:
        end.set()

    assert (facts.database, facts.bus, facts.storage) == (Unreachable("it did not answer within 0.05 s"),) * 3


def test_a_look_that_fails_in_its_own_way_is_a_finding_and_hides_no_other() -> None:
    def broken() -> NotNamed:
        raise RuntimeError(SECRET)

    found = probes.ask({"database": broken, "bus": NotNamed, "storage": NotNamed}, 5.0)

    assert isinstance(found["database"], Unreachable)
    assert SECRET not in found["database"].reason
    assert found["bus"] == NotNamed()


def test_the_stack_that_runs_tells_how_its_queues_are_set_up() -> None:
    stack = StackFile("", "", os.getpid(), {"service_bus": StackPart(1, "127.0.0.1:5672")})
    mine = Settings.from_environment({"TASKS_QUEUE": "my-tasks"})
    rules = own_rules(mine, stack)

    assert set(rules) == {"jobs", "my-tasks", "long-running-tasks"}
    assert rules["jobs"] == QueueTold("jobs", 60.0, 10, 300.0, 3_600.0, 262_144, False, "Active", 0)
    assert own_rules(mine, None) == {}
    assert own_rules(mine, StackFile("", "", 1, {"service_bus": StackPart(0, "outside")})) == {}


def test_both_names_of_the_entry_are_one() -> None:
    assert add_commands is add_command


def answering(date: str | None) -> Any:
    """Whether a clock is told by any answer, an error too."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            head = "HTTP/1.1 403 X\r\nContent-Length: 0\r\nConnection: close\r\n"
            connection.sendall((head + (f"Date: {date}\r\n" if date else "") + "\r\n").encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        offset = probes.http_offset(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()
    return offset


def test_the_clock_of_a_service_is_told_by_the_date_of_a_refusal() -> None:
    offset = answering("Fri, 01 Jan 2100 00:00:00 GMT")

    assert offset.seconds > 10 * 365 * 86_400
    assert offset.within < 10


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_an_answer_without_a_date_tells_no_clock(date: str | None) -> None:
    assert answering(date) is None


def test_what_is_not_named_is_not_asked() -> None:
    nothing = Settings.from_environment({})

    assert probes.database(nothing) == probes.bus(nothing) == probes.blobs(nothing) == NotNamed()
    assert not isinstance(NotNamed(), BusTold | StorageTold)
