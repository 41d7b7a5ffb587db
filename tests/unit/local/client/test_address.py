"""Which service is meant, and that a key goes nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.client.address import Service, find_service
from local.client.errors import ServiceNotReached, WrongUse
from local.stack_file import StackFile, write


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    write(tmp_path, StackFile("http://127.0.0.1:7071", "stack-key", os.getpid(), {}))
    return tmp_path


def test_the_stack_of_the_clone_is_found_with_its_key(clone: Path) -> None:
    assert find_service(None, None, {}, clone) == Service("http://127.0.0.1:7071", "stack-key", local=True)


def test_without_a_stack_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ServiceNotReached, match="python -m local up"):
        find_service(None, None, {}, tmp_path)


def test_what_is_named_goes_before_the_environment_and_the_stack(clone: Path) -> None:
    environment = {"COREMACHINE_URL": "https://two.example", "COREMACHINE_KEY": "k2"}

    assert find_service("https://one.example/api/", "k1", environment, clone) == Service("https://one.example", "k1")
    assert find_service(None, None, environment, clone) == Service("https://two.example", "k2")


def test_the_key_of_the_stack_is_not_sent_to_another_service(clone: Path) -> None:
    assert find_service("https://other.example", None, {}, clone).key == ""


def test_a_key_does_not_travel_in_the_clear(clone: Path) -> None:
    with pytest.raises(WrongUse, match="TLS"):
        find_service("http://other.example", "k", {}, clone)
    assert find_service("http://localhost:1", "k", {}, clone).key == "k"


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "x", "https://", "https://u:p@x", "https://x?code=1", "https://[", "http://x:port", "https://x#a"],
)
def test_what_is_no_address_is_wrong_use(url: str, clone: Path) -> None:
    with pytest.raises(WrongUse, match="--url"):
        find_service(url, None, {}, clone)


def test_no_representation_shows_a_key(clone: Path) -> None:
    assert "stack-key" not in repr(find_service(None, None, {}, clone))
