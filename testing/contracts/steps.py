"""The steps of :class:`testing.contracts.state_machine.StateStoreMachine`: calls of its methods, drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from core.decisions import FailFinally, Requeue, Transition
from core.model import FailurePolicy, RunStatus
from testing.contracts.scenario import BROKEN, DONE, FLAKY, at, new_job

JOBS = {
    content: new_job(content, budget=budget, deadline=deadline)
    for content, budget, deadline in (("a", None, None), ("b", 2, at(300)))
}
NAMES = ("x", "y", "z")
LEASE_SECONDS = 50.0
MIN_GRANTS = 4
"""Claims that are granted before a run is ended from outside, which would leave little to do."""
TRANSITIONS: dict[str, Transition] = {
    "complete": DONE,
    "fail": FailFinally(BROKEN),
    "retry": Requeue("retry", True, None, FLAKY),
    "interrupted": Requeue("interrupted", False),
    "later": Requeue("retry_later", True, at(200), FLAKY),
}
ENDS = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)

contents = st.sampled_from(sorted(JOBS))
names = st.sampled_from(NAMES)
picks = st.integers(0, 30)
hows = st.sampled_from(["complete", "complete", *TRANSITIONS])


@dataclass(frozen=True)
class Step:
    """A call of one of the machine's methods.

    All steps are one rule: hypothesis leaves most rules out of each example, and little happens where either opening
    a stage, claiming or finishing is left out.
    """

    name: str
    arguments: Mapping[str, object]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


def step(name: str, **arguments: SearchStrategy[object]) -> SearchStrategy[Step]:
    return st.builds(Step, st.just(name), st.fixed_dictionaries(arguments))


OPEN = step(
    "open_stage",
    content=contents,
    ahead=st.sampled_from([1, 1, 1, 1, 0, 2]),
    some=st.lists(names, unique=True, min_size=1) | st.lists(names, unique=True),
    policy=st.sampled_from(FailurePolicy),
)
CLAIM = step("claim", pick=picks, off=st.sampled_from([0, 0, 0, 0, 1, -1]), other=st.booleans())
CLAIM_MANY = step("claim_many", some=st.lists(st.tuples(picks, st.booleans()), max_size=5))
FINISH = step("finish", pick=picks, how=hows)
FINISH_MANY = step("finish_many", some=st.lists(st.tuples(picks, hows), max_size=6))
END_LOST = step(
    "end_lost",
    pick=picks,
    how=st.sampled_from(["fail", "retry", "retry", "interrupted"]),
    heard_of=st.sampled_from([False, False, True]),
)
WORK = step("work", content=contents, ways=st.lists(hows, min_size=1, max_size=3))
WRITE = step("write", pick=picks, kind=st.sampled_from(["renew", "checkpoint", "progress"]), text=names)
FINISH_RUN = step("finish_run", content=contents, status=st.sampled_from(ENDS), off=st.sampled_from([None, 0, 0, 1]))
PUBLISH = step("publish", limit=st.sampled_from([1, 3, 20]))
REISSUE = step("reissue", limit=st.just(20), age=st.sampled_from([-1.0, 0.0, 20.0]))
WAIT = step("wait", seconds=st.sampled_from([1.0, 30.0, 100.0]))
ENGINE_STEPS = (
    *(OPEN,) * 3,
    *(WORK,) * 4,
    *(CLAIM,) * 5,
    *(FINISH,) * 5,
    *(
        CLAIM_MANY,
        CLAIM_MANY,
        FINISH_MANY,
        FINISH_MANY,
        END_LOST,
        WRITE,
        WRITE,
        FINISH_RUN,
        PUBLISH,
        PUBLISH,
        REISSUE,
        WAIT,
    ),
    step("submit", content=contents),
)

OPERATOR_STEPS = (
    *(step("pause", content=contents), step("resume", content=contents), step("resume", content=contents)),
    step("park", pick=picks, off=st.sampled_from([0, 0, 0, 1])),
    step("run_again", content=contents, reuse=st.integers(0, 2)),
    step("replay", content=contents, chosen=st.sets(picks, max_size=3), pick=picks, edited=st.booleans()),
    step("record_letters", some=st.lists(st.sampled_from(["p", "q", "q:2", "r"]), max_size=3)),
    step("replay_letter", pick=picks, off=st.sampled_from([0, 0, 1])),
    step("delete_letters", age=st.sampled_from([-1.0, 30.0]), limit=st.integers(1, 3)),
    step("delete_run", content=contents, older=st.integers(0, 2), limit=st.integers(1, 5)),
)
