"""The whole pipeline in one process: what comes out, and that nothing is done twice whatever happens on the way."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from core.context import StopReason
from core.outcome import Interrupted
from handlers.portal.answer import Success
from handlers.portal.codes import ErrorCode, Stage
from handlers.portal.pipeline import Ended, process
from handlers.portal.stages import STAGES
from handlers.portal.work import Made, Work
from testing.clock import FakeClock
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import Hangs, ReadsText
from tests.support.portal import Desk, Kept, encoded, envelope, from_storage, payload, photo, put_raw

T = TypeVar("T")


def run(desk: Desk, **changes: Any) -> Ended | Interrupted:
    return process(envelope(**changes), desk.context(), desk.around)


def succeeded(ended: Ended | Interrupted) -> Success:
    assert isinstance(ended, Ended)
    assert isinstance(ended.answer, Success), ended.answer
    return ended.answer


def package(desk: Desk, answer: Success) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(desk.opened(answer.artifacts.package_path))) as found:
        return {name: found.read(name) for name in found.namelist()}


def test_a_photo_becomes_a_package() -> None:
    desk = Desk()

    answer = succeeded(run(desk))

    files = package(desk, answer)
    image = answer.artifacts.image
    assert list(files) == [image.name, "result.json"]
    assert image.name == f"my_photo_{payload()['job_id']}.jpg"
    assert len(files[image.name]) == image.bytes
    assert files[image.name].startswith(b"\xff\xd8\xff")
    told = json.loads(files["result.json"])
    assert told["artifacts"] == answer.artifacts.model_dump()
    assert told["metrics"] == {"ocr_confidence": 0.97}
    assert [one.stage for one in answer.metrics.stages] == list(STAGES)
    assert desk.opened(answer.artifacts.master_path).startswith(b"\x89PNG")
    assert desk.opened(answer.artifacts.preview_path).startswith(b"\xff\xd8\xff")
    assert desk.opened(answer.artifacts.raw_path) == photo()


def test_fields_are_mapped_and_what_is_missing_is_told() -> None:
    answer = succeeded(run(Desk()))

    assert [(one.name, one.status, one.value) for one in answer.fields] == [
        ("name", "found", "RAVI KUMAR"),
        ("date_of_birth", "found", "12/03/2001"),
        ("state", "missing", None),
    ]
    assert ("FIELD_MISSING", "state") in [(one.code, one.value) for one in answer.warnings]
    assert answer.text is None


def test_the_text_is_given_where_it_is_asked_for() -> None:
    answer = succeeded(run(Desk(), options={"text": True}))

    assert answer.text is not None
    assert answer.text.startswith("Name: Ravi Kumar\n")


def test_nothing_is_read_where_nobody_wants_it() -> None:
    engine = ReadsText(["a line"])

    answer = succeeded(run(Desk(engine=engine), definition={"fields": []}))

    assert engine.pages == []
    assert answer.metrics.ocr_confidence is None


def test_what_is_in_storage_is_taken_from_there() -> None:
    desk = Desk()
    path = put_raw(desk.blobs, photo())

    answer = succeeded(run(desk, input=from_storage(path)))

    assert answer.artifacts.raw_path == path
    assert desk.fetcher.calls == 0
    assert path not in desk.puts


def test_the_document_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counted(monkeypatch)

    succeeded(run(Desk()))

    assert counts == dict.fromkeys(STAGES, 1)


def test_what_was_kept_on_the_way_is_removed() -> None:
    desk = Desk()

    answer = succeeded(run(desk))

    kept = answer.artifacts
    left = {kept.raw_path, kept.master_path, kept.preview_path, kept.package_path}
    assert set(desk.blobs.names("")) == left


def test_what_is_odd_about_the_document_is_a_warning() -> None:
    answer = succeeded(run(Desk(answer=encoded(_picture(), "BMP"))))

    assert [one.value for one in answer.warnings if one.code == "MIME_TYPE_OTHER"] == ["image/bmp"]


def _picture() -> Any:
    from PIL import Image  # noqa: PLC0415 - for this alone

    return Image.open(io.BytesIO(photo()))


def test_a_finished_job_says_the_same_again_and_does_nothing() -> None:
    desk = Desk()
    first = succeeded(run(desk))
    puts = Counter(desk.puts)

    again = succeeded(run(desk))

    assert desk.puts == puts
    assert again.model_dump(exclude={"metrics"}) == first.model_dump(exclude={"metrics"})
    assert all(one.resumed for one in again.metrics.stages)


@pytest.mark.parametrize("reason", [StopReason.SHUTDOWN, StopReason.CANCELLED, StopReason.DEADLINE])
def test_a_task_that_is_to_stop_is_interrupted_between_stages(reason: StopReason) -> None:
    desk = Desk()
    desk.stop.set(reason)

    assert run(desk) == Interrupted(reason)


def test_a_task_that_is_nobodys_any_more_waits_for_no_stage() -> None:
    engine = Hangs()
    desk = Desk(engine=engine)

    def cancel() -> None:
        engine.entered.wait()
        desk.stop.set(StopReason.CANCELLED)

    threading.Thread(target=cancel, daemon=True).start()

    assert run(desk) == Interrupted(StopReason.CANCELLED)
    engine.released.set()


def test_a_stage_that_takes_too_long_is_given_up() -> None:
    engine = Hangs()
    desk = Desk(engine=engine)
    desk.deadlines = {**desk.deadlines, Stage.OCR: 0.05}

    ended = run(desk)
    engine.released.set()

    assert isinstance(ended, Ended)
    assert not isinstance(ended.answer, Success)
    assert (ended.answer.error.code, ended.answer.error.retryable) == (ErrorCode.OCR_TIMEOUT, True)


def test_names_are_chosen_by_the_first_attempt() -> None:
    desk = Desk()
    desk.stop.set(StopReason.SHUTDOWN)
    run(desk)
    desk.stop, desk.clock = type(desk.stop)(), FakeClock()
    desk.clock.advance(3_600.0)

    answer = succeeded(run(desk))

    assert answer.artifacts.package_path == succeeded(run(Desk())).artifacts.package_path


# --- kills ---


class Killed(Exception):
    """The process is gone: nothing after this happens."""


class Ticks:
    """Counts what reaches the outside, and kills right after one of these moments."""

    def __init__(self) -> None:
        self.count = 0
        self.at: int | None = None

    @property
    def killed(self) -> bool:
        return self.at is not None and self.count >= self.at

    def kill(self, at: int) -> None:
        self.count, self.at = 0, at

    def live(self) -> None:
        self.count, self.at = 0, None

    def step(self, call: Callable[[], T]) -> T:
        if self.killed:
            raise Killed
        result = call()
        self.count += 1
        if self.killed:
            raise Killed
        return result


class TickedBlobs:
    def __init__(self, inner: MemoryBlobStore, ticks: Ticks, writes: Counter[str]) -> None:
        self._inner, self._ticks, self._writes = inner, ticks, writes

    def put_stream(self, name: str, *rest: Any) -> Any:
        return self._ticks.step(lambda: self._written(name, self._inner.put_stream(name, *rest)))

    def put_new(self, name: str, *rest: Any) -> Any:
        return self._ticks.step(lambda: self._written(name, self._inner.put_new(name, *rest)))

    def _written(self, name: str, size: int) -> int:
        self._writes[name] += 1
        return size

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)
        return lambda *arguments: self._ticks.step(lambda: method(*arguments))


class TickedWrites(Kept):
    def __init__(self, ticks: Ticks) -> None:
        super().__init__()
        self._ticks = ticks

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self._ticks.step(lambda: super(TickedWrites, self).save_checkpoint(checkpoint_json))

    @property
    def phases(self) -> set[str]:
        return set(json.loads(self.json)["phases"]) if self.json else set()


class Victim:
    def __init__(self) -> None:
        self.ticks, self.writes = Ticks(), Counter[str]()
        self.inner = MemoryBlobStore()
        self.kept = TickedWrites(self.ticks)
        blobs = TickedBlobs(self.inner, self.ticks, self.writes)
        self.desk = Desk(answer=photo(64, 80), blobs=blobs, writes=self.kept)

    def attempt(self) -> Ended | Interrupted | None:
        """``None`` where it was killed."""
        try:
            ended = run(self.desk)
        except Killed:
            return None
        return None if self.ticks.killed else ended


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[Stage]:
    """How often each stage is begun."""
    counts: Counter[Stage] = Counter()

    def counting(stage: Stage, function: Callable[[Work], Made]) -> Callable[[Work], Made]:
        def call(work: Work) -> Made:
            counts[stage] += 1
            return function(work)

        return call

    for stage, function in STAGES.items():
        monkeypatch.setitem(STAGES, stage, counting(stage, function))
    return counts


def test_killed_at_any_moment_it_goes_on_behind_what_was_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write and each look at the outside, and each checkpoint, is a moment: also all between the stages."""
    undisturbed = Victim()
    wanted = succeeded(undisturbed.attempt() or Interrupted())
    moments = undisturbed.ticks.count
    files = {name: undisturbed.desk.opened(name) for name in undisturbed.inner.names("")}
    counts = counted(monkeypatch)

    for at in range(1, moments + 1):
        victim = Victim()
        victim.ticks.kill(at)
        counts.clear()
        assert victim.attempt() is None
        validated = victim.kept.phases
        done = Counter(counts)
        victim.ticks.live()
        answer = succeeded(victim.attempt() or Interrupted())

        assert answer.model_dump(exclude={"metrics"}) == wanted.model_dump(exclude={"metrics"})
        assert {name: victim.desk.opened(name) for name in victim.inner.names("")} == files
        assert [name for name, times in victim.writes.items() if times > 1] == []
        assert [stage for stage in STAGES if stage in validated and counts[stage] > done[stage]] == []


def test_killed_again_and_again_it_comes_to_its_end() -> None:
    """Each life is long enough for the longest way from one checkpoint to the next."""
    victim = Victim()
    attempts, ended = 0, None
    while ended is None and attempts < 40:
        victim.ticks.kill(16)
        attempts += 1
        ended = victim.attempt()

    succeeded(ended or Interrupted())
    assert attempts > 1
    assert max(victim.writes.values()) == 1
