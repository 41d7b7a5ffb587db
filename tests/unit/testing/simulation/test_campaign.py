from __future__ import annotations

import pytest

from testing.simulation.__main__ import main
from testing.simulation.actions import Action
from testing.simulation.campaign import Campaign, load_system, run_seeds
from testing.simulation.world import SOUND
from tests.support.planted_systems import SYSTEMS

PLANTED = "tests.support.planted_systems:CountsDownTwice"


def test_seeds_are_run_in_other_processes_and_those_that_fail_are_named() -> None:
    heard: list[int] = []

    campaign = run_seeds(range(3, 23), 1, PLANTED, lambda so_far: heard.append(so_far.schedules))

    assert campaign.schedules == 20
    assert heard == [20]
    assert campaign.failed
    assert {int(seed) for seed in campaign.failed} <= set(range(3, 23))
    assert campaign.rate > 0


def test_no_seeds_are_no_schedules() -> None:
    assert run_seeds(range(0), 1) == Campaign()


def test_a_system_is_found_by_its_name() -> None:
    assert load_system("testing.simulation.world:SOUND") is SOUND
    assert load_system(PLANTED) is SYSTEMS["CountsDownTwice"]


@pytest.mark.parametrize(
    "name", ["", "nowhere:SOUND", "testing.simulation.world:NOTHING", "testing.simulation.world:World", "a:b:c"]
)
def test_what_is_no_system_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"names nothing|is not a System|Empty module"):
        load_system(name)


def test_the_command_says_how_many_schedules_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "30", "--start", "100", "--processes", "1"]) == 0
    assert "30 schedules in " in capsys.readouterr().out


def test_the_command_prints_a_failure_that_can_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "12", "--processes", "1", "--system", PLANTED]) == 1
    printed = capsys.readouterr().out.splitlines()

    command = next(line for line in printed if line.startswith("replay: "))
    words = command.removeprefix("replay: python -m testing.simulation ").split()
    assert main(words) == 1
    assert "a stage follows the end of the one before: stage 2" in capsys.readouterr().out


def test_the_command_shows_a_schedule_that_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replay", f"0:w1.7={Action.CRASH_BEFORE:d}"]) == 0
    printed = capsys.readouterr().out

    assert "work" in printed
    assert "<- crash before" in printed
    assert printed.endswith("all that must hold does\n")


def test_the_command_runs_every_small_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--exhaustive", "--preemptions", "0", "--crashes", "0", "--processes", "1"]) == 0
    assert "1 schedules in " in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--replay", "x"], ["--system", "nowhere:X", "--replay", "1"], ["--seeds", "x"], ["--seeds", "-1"]]
)
def test_arguments_that_make_no_sense_end_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err
