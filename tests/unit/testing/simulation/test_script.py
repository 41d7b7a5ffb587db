from __future__ import annotations

import pytest

from testing.simulation.actions import Action, Conduct, MessageFault
from testing.simulation.plans import PLANS
from testing.simulation.script import ACTORS, CALM, CONDUCT, MESSAGES, SHAPE, Deviation, Script


def test_a_seed_gives_the_same_script_again_and_another_seed_another() -> None:
    assert Script.drawn(7) == Script.drawn(7)
    assert len({str(Script.drawn(seed)) for seed in range(200)}) == 200


def test_a_script_is_its_deviations_from_the_calm_one() -> None:
    script = Script.parse("12:w1.3=9,h.0=4,w1.5=1")

    assert script.seed == 12
    assert script.streams == {"w1": bytes([0, 0, 0, 9, 0, 1]), "h": bytes([4])}
    assert sorted(script.deviations) == [Deviation("h", 0, 4), Deviation("w1", 3, 9), Deviation("w1", 5, 1)]
    assert Script.parse("0:") == CALM


@pytest.mark.parametrize("seed", [0, 1, 63, 64, 10**12])
def test_a_script_is_written_and_read_back(seed: int) -> None:
    script = Script.drawn(seed)

    assert Script.parse(str(script)).deviations == script.deviations
    assert Script.parse(str(seed)) == script


@pytest.mark.parametrize("text", ["", "x", "-1", "1:w1", "1:w1.2", "1:w1.2=256", "1:W.2=3", "1:w1.2=3;w1.3=4"])
def test_what_is_no_script_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|does not"):
        Script.parse(text)


def test_another_shape_leaves_the_rest_as_it_is() -> None:
    assert str(Script.parse("3:x.0=5,w1.1=2").shaped(bytes([0, 7]))) == "3:x.1=7,w1.1=2"


def test_drawn_scripts_hold_every_kind_of_choice_and_no_other() -> None:
    seen: dict[str, set[int]] = {name: set() for name in (*ACTORS, MESSAGES, CONDUCT, SHAPE)}
    for seed in range(len(PLANS) * 4):
        for name, stream in Script.drawn(seed).streams.items():
            seen[name] |= set(stream)

    actions = set().union(*(seen[name] for name in ACTORS))
    assert actions == set(range(Action.PREEMPT + 5))
    assert seen[MESSAGES] == set(MessageFault)
    assert seen[CONDUCT] == set(Conduct)


def test_each_plan_leaves_something_out_and_most_steps_alone() -> None:
    assert len({plan.steps for plan in PLANS}) == len(PLANS)
    for plan in PLANS:
        assert [len(table) for table in (plan.steps, plan.messages, plan.conduct)] == [256] * 3
        assert plan.steps.count(0) > 100
        assert len(set(plan.steps)) < Action.PREEMPT + 5
