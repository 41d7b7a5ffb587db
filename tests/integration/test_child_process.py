"""Handlers in real child processes: what they may do, and what becomes of those that do what they must not."""

from __future__ import annotations

import ast
import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pikepdf
import psutil
import pytest

from core.context import StopReason
from core.errors import BlobConflict, CapacityExceeded, HandlerLost, LeaseLost, StoreUnavailable, TextTooLong
from core.outcome import ErrorInfo, Failed, Interrupted, RetryLater, Succeeded
from docker_worker.child import process
from docker_worker.child.secret_settings import child_environment
from docker_worker.limits import TaskLimits
from docker_worker.memory import MIB
from docker_worker.runner import COMMAND, ChildRunner
from handlers.document import SourceReader, document_handlers
from infrastructure.password_seal import SivPasswordSeal
from testing.ocr_engines import ReadsNothing, always
from tests.support.children import LIMITS, QUICK, Writes, ends, make_call, make_runner, wish
from tests.support.pdfs import PageSpec, make_pdf
from tests.support.worker_child import Granted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is proved here is Linux's")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildRunner]:
    """One child, for the tests after which it goes on."""
    limits = replace(LIMITS, scratch_root=tmp_path_factory.mktemp("scratch"))
    runner = make_runner(limits)
    yield runner
    runner.close()


@pytest.fixture
def made() -> Iterator[Callable[..., ChildRunner]]:
    """Makes runners of the test's own."""
    runners: list[ChildRunner] = []

    def make(*arguments: object, **named: object) -> ChildRunner:
        runners.append(make_runner(*arguments, **named))  # type: ignore[arg-type]
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def granted(outcome: object) -> Granted:
    assert isinstance(outcome, Succeeded)
    return Granted.model_validate_json(outcome.result_json)


def works(runner: ChildRunner) -> bool:
    return granted(runner(wish("large", 3))).said == "xxx"


def lost(runner: ChildRunner, call: object) -> HandlerLost:
    with pytest.raises(HandlerLost) as caught:
        runner(call)  # type: ignore[arg-type]
    return caught.value


def setting(stop_reason: str) -> tuple[Writes, Callable[[object], None]]:
    """Writes that set the call's stop as soon as it reports progress; the call is given later."""
    calls: list[object] = []
    writes = Writes(lambda _: [call.stop.set(stop_reason) for call in calls])  # type: ignore[attr-defined]
    return writes, calls.append


# --- outcomes ---


def test_a_result_comes_back(shared: ChildRunner) -> None:
    call = make_call("hello_world_greeting", '{"index": 7, "message": "Grüße 🙂"}', Writes())

    assert shared(call) == Succeeded('{"index":7,"greeting":"Grüße 🙂 (from task 7)"}')


def test_a_large_result_comes_back_whole(shared: ChildRunner) -> None:
    assert len(granted(shared(wish("large", 15 * MIB))).said) == 15 * MIB


def test_a_result_too_large_for_the_channel_is_a_failure_of_that_name(shared: ChildRunner) -> None:
    outcome = shared(wish("large", 70 * MIB))

    assert isinstance(outcome, Failed)
    assert outcome.error.code == "CAPACITY_EXCEEDED"
    assert works(shared)


def test_wrong_parameters_are_a_failure(shared: ChildRunner) -> None:
    outcome = shared(make_call("hello_world_greeting", '{"index": -1}', Writes()))

    assert isinstance(outcome, Failed)
    assert outcome.error.code == "INVALID_PARAMETERS"


def test_what_a_handler_raises_is_a_failure_without_its_text(shared: ChildRunner) -> None:
    outcome = shared(wish("fails"))

    assert outcome == Failed(ErrorInfo("HANDLER_ERROR", "the handler raised ValueError", False))


def test_an_error_of_ours_keeps_code_message_and_whether_to_retry(shared: ChildRunner) -> None:
    assert shared(wish("fails", text="transient")) == Failed(
        ErrorInfo("TRANSIENT_ERROR", "try \N{REPLACEMENT CHARACTER} again", True)
    )


def test_a_handler_may_ask_to_be_called_again(shared: ChildRunner) -> None:
    assert shared(wish("asks_again", 90, "not there yet")) == RetryLater(90, "not there yet")


def test_text_that_no_store_takes_is_made_such(shared: ChildRunner) -> None:
    outcome = shared(wish("is_interrupted"))

    assert outcome == Interrupted("half \N{REPLACEMENT CHARACTER} and \N{REPLACEMENT CHARACTER}")


def test_an_unknown_task_type_is_a_failure(shared: ChildRunner) -> None:
    call = wish("looks")
    outcome = shared(replace(call, message=call.message.model_copy(update={"task_type": "of_a_newer_worker"})))

    assert isinstance(outcome, Failed)
    assert outcome.error.code == "UNKNOWN_TASK_TYPE"


# --- checkpoints, progress, errors of the store ---


def test_checkpoints_and_progress_are_written_by_the_parent(made: Callable[..., ChildRunner]) -> None:
    told: list[tuple[float, str]] = []
    writes = Writes()
    runner = made(progressed=lambda percent, message: told.append((percent, message)))

    outcome = runner(wish("checkpoints", 2, writes=writes))

    assert granted(outcome).said == "[0, 1] 1"
    assert [json.loads(text)["phases"] for text in writes.checkpoints] == [["0"], ["0", "1"]]
    assert [percent for percent, _ in writes.progress] == [50.0, 100.0]
    assert [percent for percent, _ in told] == [50.0, 100.0]


def test_a_call_resumes_at_its_checkpoint(shared: ChildRunner) -> None:
    saved = '{"phases":["0","1"],"data":{"last":1}}'

    assert granted(shared(wish("checkpoints", 3, checkpoint_json=saved))).said == "[2] 2"


def test_a_large_checkpoint_goes_both_ways(shared: ChildRunner) -> None:
    writes = Writes()
    shared(wish("saves", 15 * MIB, writes=writes))

    outcome = shared(wish("checkpoints", 1, checkpoint_json=writes.checkpoints[0]))

    assert len(writes.checkpoints[0]) > 15 * MIB
    assert granted(outcome).said == "[0] 0"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreUnavailable("away", host="db"), "StoreUnavailable away {'host': 'db'}"),
        (BlobConflict("held"), "BlobConflict held {}"),
        (LeaseLost("another's"), "LeaseLost another's {}"),
    ],
)
def test_what_a_write_raises_is_raised_in_the_handler(shared: ChildRunner, error: Exception, said: str) -> None:
    def away(_: str) -> None:
        raise error

    assert granted(shared(wish("catches", writes=Writes(away)))).said == said


@pytest.mark.parametrize("error", [CapacityExceeded("too much"), TextTooLong("too long")])
def test_a_refusal_that_the_handler_does_not_catch_is_its_failure(shared: ChildRunner, error: Exception) -> None:
    def refuses(_: str) -> None:
        raise error

    outcome = shared(wish("saves", writes=Writes(refuses)))

    assert isinstance(outcome, Failed)
    assert outcome.error.code == type(error).code  # type: ignore[attr-defined]


def test_a_lost_lease_that_the_handler_does_not_catch_is_raised_and_the_child_goes_on(shared: ChildRunner) -> None:
    def refuses(_: str) -> None:
        raise LeaseLost("another's")

    with pytest.raises(LeaseLost):
        shared(wish("saves", writes=Writes(refuses)))

    assert works(shared)


def test_a_fault_of_ours_while_a_write_is_made_ends_the_child(made: Callable[..., ChildRunner]) -> None:
    def is_broken(_: str) -> None:
        raise ZeroDivisionError

    runner = made()
    with pytest.raises(ZeroDivisionError):
        runner(wish("saves", writes=Writes(is_broken)))

    assert runner.stats().killed == {"abandoned": 1}
    assert works(runner)


def test_a_thread_that_a_handler_left_behind_writes_nothing_into_the_next_call(shared: ChildRunner) -> None:
    writes = Writes()
    shared(wish("speaks_afterwards"))

    outcome = shared(wish("lets_it_speak", writes=writes))

    assert granted(outcome).said == "LEASE_LOST"
    assert writes.checkpoints == []


# --- what it prints ---


def test_what_is_printed_does_not_reach_the_channel(shared: ChildRunner) -> None:
    assert granted(shared(wish("prints", text="heard"))).said == "heard"
    assert works(shared)


def test_the_childs_standard_error_is_passed_on(
    made: Callable[..., ChildRunner], capfd: pytest.CaptureFixture[str]
) -> None:
    runner = made()
    runner(wish("prints"))
    runner.close()

    printed = capfd.readouterr()
    assert printed.out == ""
    for expected in ("printed by Python", "written to the descriptor", "printed by C"):
        assert expected in printed.err


# --- being told to stop ---


@pytest.mark.parametrize("reason", [StopReason.SHUTDOWN, StopReason.CANCELLED, "a harness's own"])
def test_a_handler_that_computes_is_told_to_stop(shared: ChildRunner, reason: str) -> None:
    writes, give = setting(reason)
    call = wish("computes_until_told", writes=writes)
    give(call)

    assert shared(call) == Interrupted(reason)


def test_a_stop_is_not_told_to_the_next_call(shared: ChildRunner) -> None:
    writes, give = setting(StopReason.SHUTDOWN)
    call = wish("computes_until_told", writes=writes)
    give(call)
    shared(call)

    assert granted(shared(wish("checkpoints", 2))).said == "[0, 1] 1"


@pytest.mark.parametrize("reason", [StopReason.CANCELLED, StopReason.LEASE_LOST])
def test_a_handler_that_goes_on_for_nobody_is_killed(made: Callable[..., ChildRunner], reason: str) -> None:
    runner = made()
    writes, give = setting(reason)
    call = wish("hangs", writes=writes)
    give(call)

    with pytest.raises(LeaseLost):
        runner(call)

    assert runner.stats().killed == {"stop_ignored": 1}


def test_a_call_that_is_told_to_stop_before_the_child_is_ready_is_not_begun(made: Callable[..., ChildRunner]) -> None:
    runner = made(LIMITS, "mute")
    call = wish("looks")
    call.stop.set(StopReason.SHUTDOWN)

    assert runner(call) == Interrupted(StopReason.SHUTDOWN)


def test_a_lost_call_is_given_up_before_the_child_is_ready(made: Callable[..., ChildRunner]) -> None:
    runner = made(LIMITS, "mute")
    call = wish("looks")
    call.stop.set(StopReason.LEASE_LOST)

    with pytest.raises(LeaseLost):
        runner(call)


# --- bounds ---


@pytest.mark.parametrize("name", ["hangs", "holds_the_interpreter"])
def test_a_handler_over_its_deadline_is_killed(made: Callable[..., ChildRunner], name: str) -> None:
    runner = made()

    error = lost(runner, wish(name, timeout=0.3))

    assert (error.lost_code, error.charged) == ("DEADLINE_EXCEEDED", True)
    assert "0.3 s" in error.message
    assert runner.stats().killed == {"deadline": 1}
    assert works(runner)


MEMORY = replace(LIMITS, memory_bytes=400 * MIB)


def test_a_handler_near_its_memory_limit_is_told_so_once(made: Callable[..., ChildRunner]) -> None:
    runner = made(MEMORY)
    call = wish("allocates", 340)

    reason, _, at = granted(runner(call)).said.partition(" at ")

    assert reason == "memory"
    assert 280 * MIB <= int(at) <= 340 * MIB
    assert call.stop.reason == StopReason.MEMORY
    assert (runner.stats().made, runner.stats().recycled) == (2, 1)


def test_a_child_that_kept_nearly_all_its_memory_is_made_anew(made: Callable[..., ChildRunner]) -> None:
    runner = made(MEMORY, patience=replace(QUICK, look=60.0))
    first = granted(runner(wish("leaks"))).pid
    left = 375 - runner.stats().resident_bytes // MIB
    assert granted(runner(wish("leaks", 100))).pid == first
    assert runner.stats().peak_bytes >= 100 * MIB

    assert granted(runner(wish("leaks", left - 100))).pid == first

    assert granted(runner(wish("leaks"))).pid != first
    assert runner.stats().recycled == 1


def test_a_handler_over_its_memory_limit_is_killed(made: Callable[..., ChildRunner]) -> None:
    runner = made(MEMORY)

    error = lost(runner, wish("hoards", 480))

    assert (error.lost_code, error.charged) == ("MEMORY_EXCEEDED", True)
    assert "where it may have 400" in error.message
    assert runner.stats().killed == {"memory": 1}
    assert works(runner)


def test_memory_of_what_a_handler_started_counts(made: Callable[..., ChildRunner]) -> None:
    runner = made(replace(MEMORY, memory_bytes=300 * MIB))

    error = lost(runner, wish("starts_a_hoarder", 350))

    assert error.lost_code == "MEMORY_EXCEEDED"


def test_a_sudden_allocation_fails_in_the_handler_and_the_child_is_made_anew(made: Callable[..., ChildRunner]) -> None:
    runner = made(MEMORY)

    outcome = runner(wish("allocates_at_once", 4_096))

    assert outcome == Failed(ErrorInfo("OUT_OF_MEMORY", "the handler ran out of memory", False))
    assert works(runner)
    assert runner.stats().recycled == 1


def test_a_handler_that_stopped_for_want_of_memory_leaves_its_process_to_nobody(
    made: Callable[..., ChildRunner],
) -> None:
    runner = made(LIMITS)

    assert runner(wish("is_interrupted", text="memory")) == Interrupted("memory")
    assert works(runner)
    assert runner.stats().recycled == 1


def test_more_files_than_a_task_may_have_kill_it(made: Callable[..., ChildRunner], tmp_path: Path) -> None:
    runner = made(replace(LIMITS, scratch_bytes=MIB, scratch_root=tmp_path))

    error = lost(runner, wish("fills_its_folder", 4))

    assert (error.lost_code, error.charged) == ("SCRATCH_FULL", True)
    assert list(tmp_path.iterdir()) == []


def test_one_file_that_is_too_large_cannot_be_written(made: Callable[..., ChildRunner]) -> None:
    runner = made(replace(LIMITS, scratch_bytes=MIB))

    outcome = runner(wish("writes_files", 2 * MIB))

    assert outcome == Failed(ErrorInfo("HANDLER_ERROR", "the handler raised OSError", False))


def test_a_child_has_what_it_is_allowed_and_no_secret_that_it_does_not_need(
    made: Callable[..., ChildRunner],
) -> None:
    runner = made(
        replace(LIMITS, threads=1),
        environment={"DATABASE_URL": "secret", "AZURE_STORAGE_CONNECTION_STRING": "needed"},
    )
    found = ast.literal_eval(granted(runner(wish("looks"))).said)

    assert found == {
        "threads": "1",
        "cores": 1,
        "files": 256,
        "file": 64 * MIB,
        "core": 0,
        "oom": 500,
        "stdin": b"",
        "secrets": ["AZURE_STORAGE_CONNECTION_STRING"],
        "temporary": True,
    }


@pytest.mark.parametrize(
    ("limits", "timeout", "code"), [(MEMORY, 60.0, "MEMORY_EXCEEDED"), (LIMITS, 0.5, "DEADLINE_EXCEEDED")]
)
def test_a_write_that_waits_can_have_the_task_looked_after(
    made: Callable[..., ChildRunner], limits: TaskLimits, timeout: float, code: str
) -> None:
    runner = made(limits)
    waited: list[int] = []
    runner.while_waiting = lambda: waited.append(1)

    def waits(_: str) -> None:
        while runner.look():
            continue
        waited.clear()
        assert not runner.look()

    error = lost(runner, wish("starts_a_hoarder_and_saves", 480, writes=Writes(waits), timeout=timeout))

    assert error.lost_code == code
    assert waited
    assert works(runner)


# --- its end ---


@pytest.mark.parametrize(
    ("call", "how"),
    [
        (wish("ends"), "was ended by SIGKILL"),
        (wish("ends", text="segfault"), "was ended by SIGSEGV"),
        (wish("ends", signal.SIGABRT), "was ended by SIGABRT"),
        (wish("ends", 3, "exit"), "left with exit code 3"),
        (wish("ends", 4, "sys.exit"), "left with exit code 4"),
    ],
    ids=["killed", "segfault", "abort", "exit", "sys.exit"],
)
def test_a_child_that_dies_in_a_task_is_told_of_and_replaced(
    made: Callable[..., ChildRunner], call: object, how: str
) -> None:
    runner = made()

    error = lost(runner, call)

    assert (error.lost_code, error.charged) == ("HANDLER_DIED", True)
    assert how in error.message
    assert "MiB" in error.message
    assert works(runner)
    assert (runner.stats().made, runner.stats().died) == (2, 1)


def test_what_the_child_wrote_at_last_is_logged_and_not_told(
    made: Callable[..., ChildRunner], caplog: pytest.LogCaptureFixture
) -> None:
    error = lost(made(), wish("ends"))

    assert "the last line" not in error.message
    assert "the last line" in caplog.records[-1].stderr  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "bytes_hex",
    [
        "ffffffff",  # a frame of 4 GiB
        "000000027b7d",  # {}
        "0000000161",  # no JSON
        "000000127b226b696e64223a22756e6b6e6f776e227d",  # {"kind":"unknown"}
    ],
    ids=["too large", "no kind", "no JSON", "unknown kind"],
)
def test_a_child_that_breaks_the_protocol_is_killed(made: Callable[..., ChildRunner], bytes_hex: str) -> None:
    runner = made()

    error = lost(runner, wish("breaks_the_protocol", text=bytes_hex))

    assert error.lost_code == "HANDLER_DIED"
    assert runner.stats().killed == {"protocol": 1}
    assert works(runner)


def test_a_child_that_died_idle_is_replaced_at_the_next_call(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    first = granted(runner(wish("leaks"))).pid
    os.kill(first, signal.SIGKILL)
    assert ends(first)

    assert granted(runner(wish("leaks"))).pid != first


def test_a_child_ignores_the_signals_that_are_the_workers(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    first = granted(runner(wish("leaks"))).pid
    os.kill(first, signal.SIGTERM)
    os.kill(first, signal.SIGINT)

    assert granted(runner(wish("leaks"))).pid == first


@pytest.mark.parametrize("mode", ["broken", "mute"])
def test_a_child_that_cannot_start_costs_the_task_nothing(made: Callable[..., ChildRunner], mode: str) -> None:
    runner = made(LIMITS, mode, patience=replace(QUICK, start=1.0))

    error = lost(runner, wish("looks"))

    assert (error.lost_code, error.charged) == ("HANDLER_NOT_STARTED", False)
    assert runner.stats().failed_starts == 1


def test_a_command_that_is_not_there_costs_the_task_nothing() -> None:
    runner = ChildRunner(["/nonexistent/python"], LIMITS, patience=QUICK)
    try:
        error = lost(runner, wish("looks"))
    finally:
        runner.close()

    assert (error.lost_code, error.charged) == ("HANDLER_NOT_STARTED", False)


def test_who_waits_to_start_again_is_told_of_a_hurry_and_of_a_stop() -> None:
    runner = ChildRunner(["/nonexistent/python"], LIMITS, patience=QUICK)
    stopped = wish("looks")
    stopped.stop.set(StopReason.SHUTDOWN)
    try:
        lost(runner, wish("looks"))
        runner.while_waiting = runner.hurry
        hurried = lost(runner, wish("looks"))
        without_a_pause = lost(runner, stopped)
    finally:
        runner.close()

    assert hurried.lost_code == "HANDLER_STOPPED"
    assert without_a_pause.lost_code == "HANDLER_NOT_STARTED"


def test_a_warm_up_that_fails_is_not_fatal(made: Callable[..., ChildRunner]) -> None:
    assert works(made(LIMITS, "cold"))


# --- all that it started ---


@pytest.mark.parametrize("how", ["deadline", "hurry", "closed"])
def test_what_a_handler_started_ends_with_the_child(made: Callable[..., ChildRunner], how: str) -> None:
    runner = made()
    writes = Writes()
    if how == "hurry":
        writes.when = lambda _: threading.Thread(target=runner.hurry).start()
    elif how == "closed":
        writes.when = lambda _: threading.Thread(target=runner.close).start()

    lost(runner, wish("starts_programs", writes=writes, timeout=0.1 if how == "deadline" else 60.0))

    pids = [int(word) for word in writes.progress[0][1].split()] if writes.progress else []
    assert how == "deadline" or len(pids) == 2
    assert all(ends(pid) for pid in pids)


def test_what_a_handler_left_behind_ends_with_its_call_and_the_child_goes_on(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    writes = Writes()
    runner(wish("starts_programs", text="leave", writes=writes))
    pids = [int(word) for word in writes.progress[0][1].split()]

    assert all(ends(pid) for pid in pids)
    assert works(runner)
    assert runner.stats().made == 1


def test_a_fork_that_holds_the_channel_of_a_dead_child_holds_up_nobody(made: Callable[..., ChildRunner]) -> None:
    """Nobody looked before the child died, and so nobody has seen the fork."""
    runner = made(patience=replace(QUICK, look=60.0))
    writes = Writes()

    error = lost(runner, wish("leaves_a_fork", writes=writes))

    assert error.lost_code == "HANDLER_DIED"
    assert "exit code 3" in error.message
    assert ends(int(writes.progress[0][1]))
    assert works(runner)


def test_a_handler_that_raises_what_is_no_exception_ends_the_child_at_once(
    made: Callable[..., ChildRunner], caplog: pytest.LogCaptureFixture
) -> None:
    error = lost(made(), wish("is_cancelled", text="of a document"))

    assert "exit code 1" in error.message
    last = caplog.records[-1].stderr  # type: ignore[attr-defined]
    assert "CancelledError" in last
    assert "of a document" not in last


def test_a_call_finds_nothing_of_the_one_before(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    before = granted(runner(wish("looks_around"))).said

    runner(wish("upsets"))

    assert granted(runner(wish("looks_around"))).said == before
    assert runner.stats().made == 1


@pytest.mark.parametrize("name", ["child", "child-writes", "child-stderr"])
def test_a_child_for_which_there_is_no_thread_costs_the_task_nothing(
    made: Callable[..., ChildRunner], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    class Limited(threading.Thread):
        def start(self) -> None:
            if self.name == name:
                raise RuntimeError("can't start new thread")
            super().start()

    runner = made()
    with monkeypatch.context() as patched:
        patched.setattr(process, "Thread", Limited)
        error = lost(runner, wish("looks"))

    assert (error.lost_code, error.charged) == ("HANDLER_NOT_STARTED", False)
    assert works(runner)


def test_no_signal_goes_to_a_process_whose_number_may_be_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[bool] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: groups.append(psutil.pid_exists(group)))
    child = process.ChildProcess([sys.executable, "-c", ""], os.environ, LIMITS.bounds())
    assert child.wait(30.0)
    assert groups
    assert all(groups)
    groups.clear()

    child.kill(process.KillReason.CLOSED)

    assert groups == []
    assert child.death().killed is None


# --- its folder ---


def test_the_scratch_folder_is_empty_at_first_and_gone_after_the_call(
    made: Callable[..., ChildRunner], tmp_path: Path
) -> None:
    runner = made(replace(LIMITS, scratch_root=tmp_path))
    writes = Writes()

    for _ in range(2):
        assert len(ast.literal_eval(granted(runner(wish("writes_files", 10, writes=writes))).said)) == 2

    for folder in writes.progress[0][1].split("|"):
        assert Path(folder).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_root_of_the_folders_is_made_anew_where_a_handler_removed_it(
    made: Callable[..., ChildRunner], tmp_path: Path
) -> None:
    runner = made(replace(LIMITS, scratch_root=tmp_path / "root"))

    granted(runner(wish("removes_the_root")))

    assert works(runner)


def test_a_folder_that_cannot_be_made_costs_the_task_nothing(made: Callable[..., ChildRunner], tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(b"")
    runner = made(replace(LIMITS, scratch_root=tmp_path / "root"))

    error = lost(runner, wish("looks"))

    assert (error.lost_code, error.charged) == ("HANDLER_NOT_STARTED", False)
    assert "folder" in error.message


def test_the_scratch_folder_is_gone_after_a_kill(made: Callable[..., ChildRunner], tmp_path: Path) -> None:
    runner = made(replace(LIMITS, scratch_root=tmp_path))
    there: list[int] = []

    def kill(_: str) -> None:
        there.append(len(list(tmp_path.iterdir())))
        threading.Thread(target=runner.close).start()

    lost(runner, wish("writes_files", 10, "hang", writes=Writes(kill)))

    assert there == [1]
    assert list(tmp_path.iterdir()) == []


# --- made anew ---


def test_a_child_is_kept_for_many_tasks_and_made_anew_after_so_many(made: Callable[..., ChildRunner]) -> None:
    runner = made(replace(LIMITS, max_tasks=2))

    pids = [granted(runner(wish("leaks"))).pid for _ in range(4)]

    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert runner.stats().recycled == 2
    assert all(ends(pid) for pid in pids)


def test_a_child_that_grows_is_made_anew(made: Callable[..., ChildRunner]) -> None:
    runner = made(replace(LIMITS, max_growth_bytes=100 * MIB))

    pids = [granted(runner(wish("leaks", 70))).pid for _ in range(4)]

    assert pids[0] == pids[1] == pids[2] != pids[3]
    assert runner.stats().recycled == 1


def test_after_it_was_made_anew_a_child_is_warm_before_the_next_call(made: Callable[..., ChildRunner]) -> None:
    runner = made(replace(LIMITS, max_tasks=1))
    runner(wish("leaks"))

    stats = runner.stats()

    assert (stats.made, stats.tasks) == (2, 0)
    assert stats.pid is not None


def test_starting_twice_makes_one_child(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    runner.start()
    runner.start()

    assert runner.stats().made == 1
    assert granted(runner(wish("leaks"))).pid == runner.stats().pid


# --- in a hurry ---


def test_a_task_is_given_up_in_a_hurry_free_of_charge(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    writes = Writes(lambda _: threading.Thread(target=runner.hurry).start())

    error = lost(runner, wish("hangs", writes=writes))

    assert (error.lost_code, error.charged) == ("HANDLER_STOPPED", False)
    assert runner.stats().killed == {"hurried": 1}


def test_a_hurry_without_a_task_is_nothing(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    runner.start()
    runner.hurry()

    assert works(runner)
    assert runner.stats().made == 1


def test_a_hurry_ends_the_wait_for_a_child_that_is_not_ready(made: Callable[..., ChildRunner]) -> None:
    runner = made(LIMITS, "mute")
    runner.while_waiting = lambda: threading.Thread(target=runner.hurry).start()

    assert lost(runner, wish("looks")).lost_code == "HANDLER_STOPPED"


def test_after_it_was_closed_a_call_is_refused(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    runner.start()
    pid = runner.stats().pid
    runner.close()

    assert lost(runner, wish("looks")).lost_code == "HANDLER_STOPPED"
    assert pid is not None
    assert ends(pid)
    assert runner.stats().pid is None


def test_who_waits_is_called_while_a_handler_runs(made: Callable[..., ChildRunner]) -> None:
    runner = made()
    call = wish("computes_until_told")
    times: list[int] = []

    def while_waiting() -> None:
        times.append(1)
        if len(times) > 3:
            call.stop.set(StopReason.SHUTDOWN)

    runner.while_waiting = while_waiting

    assert runner(call) == Interrupted(StopReason.SHUTDOWN)


# --- the child that the worker starts by itself ---

OWN = {
    "AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true",
    "OCR_ENGINE": "test",
    "DATABASE_URL": "not a database: the child must not look at it",
}


def test_the_workers_own_child_has_the_handlers_of_the_project() -> None:
    environment = child_environment({**os.environ, **OWN})
    runner = ChildRunner(COMMAND, LIMITS, environment=environment, patience=replace(QUICK, start=120.0))
    try:
        outcome = runner(make_call("hello_world_greeting", '{"index": 1, "message": "Hi"}', Writes()))
    finally:
        runner.close()

    assert outcome == Succeeded('{"index":1,"greeting":"Hi (from task 1)"}')


def test_the_workers_own_child_opens_what_was_sealed() -> None:
    key = bytes(range(32))
    sealed = SivPasswordSeal([key]).seal("swordfish").model_dump_json()
    content = base64.b64encode(make_pdf(PageSpec(), encryption=pikepdf.Encryption(owner="o", user="swordfish", R=6)))
    parameters = f'{{"source": {{"content_base64": "{content.decode()}"}}, "password": {sealed}, "pages": "2"}}'
    inspect, *_ = document_handlers(always(ReadsNothing()), SourceReader())
    call = make_call("hello_world_greeting", parameters, Writes())
    message = call.message.model_copy(update={"task_type": inspect.task_type})
    environment = child_environment({**os.environ, **OWN, "DOCUMENT_PASSWORD_KEYS": base64.b64encode(key).decode()})
    runner = ChildRunner(COMMAND, LIMITS, environment=environment, patience=replace(QUICK, start=120.0))
    try:
        outcome = runner(replace(call, handler=inspect, message=message))
    finally:
        runner.close()

    assert isinstance(outcome, Failed)
    assert outcome.error.code == "PAGE_NOT_FOUND"  # it was opened, and has one page


def test_with_settings_that_name_no_storage_it_says_so_and_costs_the_task_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    environment = child_environment({**os.environ, **OWN, "AZURE_STORAGE_CONNECTION_STRING": ""})
    runner = ChildRunner(COMMAND, LIMITS, environment=environment, patience=replace(QUICK, start=120.0))
    try:
        error = lost(runner, wish("looks"))
    finally:
        runner.close()

    assert (error.lost_code, error.charged) == ("HANDLER_NOT_STARTED", False)
    assert "SETTINGS_INVALID" in capfd.readouterr().err


# --- the parent's end ---

PARENT = """
import sys
from tests.support.children import Writes, make_runner, wish

runner = make_runner()
runner(wish("leaks"))
print(runner.stats().pid, flush=True)
runner(wish(sys.argv[1], writes=Writes(lambda text: print("runs", flush=True))))
"""


@pytest.mark.parametrize("name", ["hangs", "holds_the_interpreter"])
def test_a_child_ends_with_its_parent(name: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, name], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            assert parent.stdout.readline() == "runs\n"
        finally:
            parent.kill()

    assert ends(child)
