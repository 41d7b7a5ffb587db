from __future__ import annotations

from typing import Any

import pytest

from local.image.checks import LABELS, READY, config_problems

SOUND: dict[str, Any] = {
    "User": "10001:10001",
    "Entrypoint": ["/usr/local/bin/tini", "--", "/venv/bin/python", "-m", "docker_worker"],
    "Healthcheck": {"Test": ["CMD", "/venv/bin/python", "-m", "docker_worker.probe"]},
    "ExposedPorts": {"8080/tcp": {}},
    "Labels": {f"org.opencontainers.image.{name}": "something" for name in LABELS},
}


def test_a_sound_configuration_has_no_problem() -> None:
    assert config_problems(SOUND) == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"User": ""}, "the user is ''"),
        ({"User": "worker"}, "the user is 'worker'"),
        ({"User": "0:0"}, "the user is '0:0'"),
        ({"User": "10001:0"}, "the user is '10001:0'"),
        ({"User": "10001"}, "the user is '10001'"),
        ({"Entrypoint": ["/bin/sh", "-c", "python"]}, "the entry point is"),
        ({"Entrypoint": None}, "the entry point is"),
        ({"Cmd": ["python3"]}, "the entry point has arguments"),
        ({"Healthcheck": None}, "no health check"),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "curl x"]}}, "no health check"),
        ({"ExposedPorts": None}, "the port is not exposed"),
    ],
)
def test_each_property_is_looked_at(changed: dict[str, Any], problem: str) -> None:
    assert [found for found in config_problems({**SOUND, **changed}) if found.startswith(problem)]
    assert len(config_problems({**SOUND, **changed})) == 1


def test_each_label_is_looked_at() -> None:
    assert config_problems({**SOUND, "Labels": None}) == [f"no label {name}" for name in LABELS]


def test_the_workers_port_is_read_from_the_line_that_says_that_it_is_ready() -> None:
    line = "15:43:47.453 worker_ready url=http://127.0.0.1:41531 queue=long-running-tasks mode=service_bus"
    found = READY.search(line)

    assert found is not None
    assert found["port"] == "41531"
    assert READY.search("15:43:47.456 WARNING database_away address=127.0.0.1:9/x") is None
