"""The state store's contract: stale wake-ups, overdue runs, and the one look that says whether there are any."""

from __future__ import annotations

from collections.abc import Collection

from core.model import RunStatus
from core.ports import Attention, StateStore
from testing.contracts.scenario import FOREVER, TASK_TYPE, Scenario, at, new_job


class StaleWakeupsContract:
    def stale(self, store: StateStore, before: float, now: float = 2_000, limit: int = 100) -> list[str]:
        return [row.message.message_id for row in store.reissue_stale(at(before), at(now), limit)]

    def test_the_wake_up_of_a_queued_run_is_given_again(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.publish_all(when=10)

        assert self.stale(store, before=10) == []
        assert self.stale(store, before=11) == [scenario.job.message.message_id]

    def test_the_wake_ups_of_queued_tasks_are_given_again_and_of_no_others(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "queued", "running", "done", "again")
        scenario.complete(scenario.claim("done"))
        scenario.requeue(scenario.claim("again"))
        scenario.claim("running")
        scenario.publish_all(when=10)

        assert set(self.stale(store, before=11)) == {
            f"{scenario.task_id('queued')}:1",
            f"{scenario.task_id('again')}:2",
        }

    def test_a_scheduled_wake_up_is_not_stale_before_it_was_due(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all(when=0)
        scenario.requeue(scenario.claim("x"), due=at(500))
        scenario.publish_all(when=3)

        assert self.stale(store, before=500) == []
        assert self.stale(store, before=501) == [f"{scenario.task_id('x')}:2"]

    def test_an_ended_stage_that_did_not_advance_is_woken_again(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.complete(scenario.claim("x"))
        scenario.publish_all(when=10)

        (found,) = self.stale(store, before=11)

        assert found.endswith(":1:1:-stage_complete:1")

    def test_an_empty_stage_that_did_not_advance_is_woken_again(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.open(1)
        scenario.publish_all(when=10)

        assert len(self.stale(store, before=11)) == 1

    def test_a_stage_that_advanced_is_left_alone(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.complete(scenario.claim("x"))
        scenario.open(2, "y")
        scenario.publish_all(when=10)

        assert self.stale(store, before=11) == [f"{scenario.task_id('y', 2)}:1"]

    def test_each_time_it_is_waited_for_twice_as_long(self, store: StateStore) -> None:
        _, ended, tasks = (Scenario.submitted(store, content) for content in "abc")
        ended.open(1)
        tasks.open(1, "x")
        again = Scenario.started(store, "y", content="d")
        again.requeue(again.claim("y"))
        published, window = 10.0, 100.0
        for times in (1, 2, 4, 8, 16):
            tasks.publish_all(when=published)
            due = published + times * window

            assert self.stale(store, before=due - window, now=due) == []
            assert len(self.stale(store, before=due - window + 1, now=due + 1)) == 4
            published = due + 5

    def test_it_is_waited_for_no_more_than_a_day_longer(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        published, window = 0.0, 20_000.0
        for grace in (0, 20_000, 60_000, 86_400, 86_400):
            scenario.publish_all(when=published)
            due = published + grace + window

            assert self.stale(store, before=due - window, now=due) == []
            assert len(self.stale(store, before=due - window + 1, now=due + 1)) == 1
            published = due + 5

    def test_a_later_attempt_is_not_waited_for_any_longer(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.publish_all(when=10)
        assert len(self.stale(store, before=110, now=210)) == 2
        scenario.publish_all(when=210)
        scenario.requeue(scenario.claim("x"))
        scenario.pause()
        scenario.park("y")
        scenario.resume()
        scenario.publish_all(when=220)
        assert len(self.stale(store, before=221, now=321)) == 2
        scenario.publish_all(when=321)

        assert self.stale(store, before=421, now=521) == []
        assert len(self.stale(store, before=422, now=522)) == 2

    def test_a_long_backlog_does_not_hold_up_another(self, store: StateStore) -> None:
        first = Scenario.started(store, *"abcdefgh")
        second = Scenario.started(store, *"stuv", content="b")
        third = Scenario.started(store, "z", content="c")
        first.publish_all(when=10)

        given = self.stale(store, before=11, limit=6)

        assert given == [
            *(f"{first.task_id(name)}:1" for name in "ab"),
            *(f"{second.task_id(name)}:1" for name in "st"),
            f"{third.task_id('z')}:1",
        ]

    def test_each_is_given_once_a_call_and_at_most_the_limit(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b", "c")
        scenario.publish_all(when=10)

        first = self.stale(store, before=11, limit=2)
        second = self.stale(store, before=11, limit=2)

        assert (len(first), len(second)) == (2, 1)
        assert len({*first, *second}) == 3

    def test_what_is_still_in_the_outbox_is_the_relay_s_to_publish(self, store: StateStore) -> None:
        Scenario.started(store, "x")

        assert self.stale(store, before=FOREVER) == []

    def test_nothing_of_a_run_that_has_ended_is_given(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all(when=10)
        store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(20))

        assert self.stale(store, before=FOREVER) == []

    def test_what_was_given_is_in_the_outbox_and_not_given_again_before_it_was_published(
        self, store: StateStore
    ) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.publish_all(when=10)

        rows = store.reissue_stale(at(11), at(1_000), 1)

        assert list(store.unpublished(10, at(1_001))) == list(rows)
        assert list(store.unpublished(10, at(1_000))) == []
        assert self.stale(store, before=5_000, now=6_000) == [f"{scenario.task_id('y')}:1"]
        assert self.stale(store, before=5_000, now=6_000) == []

    def test_a_row_of_the_task_s_earlier_attempt_holds_its_wake_up_back(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all(when=10)
        store.reissue_stale(at(11), at(1_000), 1)
        (old,) = store.unpublished(10, at(FOREVER))
        scenario.requeue(scenario.claim("x", when=1_001), when=1_002)
        _, new = store.unpublished(10, at(FOREVER))
        store.mark_published([new.row_id], at(1_003))

        assert self.stale(store, before=5_000) == []
        store.mark_published([old.row_id], at(1_004))
        assert self.stale(store, before=1_003.5) == [f"{scenario.task_id('x')}:2"]

    def test_wake_ups_of_first_attempts_have_the_time_of_the_newest_of_them(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        job, x, y = store.unpublished(10, at(FOREVER))
        store.mark_published([job.row_id, x.row_id], at(10))

        assert self.stale(store, before=11) == [f"{scenario.task_id('x')}:1"]
        other = Scenario.started(store, "x", "y", content="b")
        job, x, y = [row for row in store.unpublished(10, at(FOREVER)) if other.job_id in row.message.message_id]
        store.mark_published([job.row_id, x.row_id], at(2_010))
        store.mark_published([y.row_id], at(2_020))
        assert self.stale(store, before=2_020) == []
        assert set(self.stale(store, before=2_021)) == {f"{other.task_id(name)}:1" for name in ("x", "y")}

    def test_a_wake_up_that_was_reissued_has_a_time_of_its_own(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.publish_all(when=10)
        store.reissue_stale(at(11), at(1_000), 1)
        scenario.publish_all(when=1_000)

        assert self.stale(store, before=1_000) == [f"{scenario.task_id('y')}:1"]

    def test_a_scheduled_wake_up_comes_without_its_time(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.requeue(scenario.claim("x"), due=at(500))
        scenario.publish_all(when=3)

        (row,) = store.reissue_stale(at(501), at(2_000), 10)

        assert (row.message.message_id, row.message.not_before) == (f"{scenario.task_id('x')}:2", None)

    def test_the_longest_due_come_first(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b", "c")
        scenario.publish_all(when=10)
        scenario.requeue(scenario.claim("a"))
        scenario.publish_all(when=30)
        scenario.requeue(scenario.claim("b"))
        scenario.publish_all(when=20)
        jobs = [Scenario.submitted(store, content) for content in ("b", "c")]
        first, second = [job.job.message.message_id for job in jobs]
        rows = {row.message.message_id: row.row_id for row in store.unpublished(10, at(FOREVER))}
        store.mark_published([rows[second]], at(11))
        store.mark_published([rows[first]], at(12))

        given = [self.stale(store, before=100, limit=1) for _ in range(5)]

        ids = [f"{scenario.task_id('c')}:1", f"{scenario.task_id('b')}:2", f"{scenario.task_id('a')}:2"]
        assert given == [[one] for one in (second, first, *ids)]

    def test_the_stages_with_the_longest_due_come_first_where_not_all_have_a_share(self, store: StateStore) -> None:
        scenarios = [Scenario.started(store, "x", "y", content=content) for content in "abc"]
        for scenario, when in zip(scenarios, (30, 10, 20), strict=True):
            rows = [row for row in store.unpublished(100, at(FOREVER)) if scenario.job_id in row.message.message_id]
            store.mark_published([row.row_id for row in rows], at(when))

        given = [self.stale(store, before=100, limit=2) for _ in range(3)]

        assert given == [
            [f"{scenarios[index].task_id(name)}:1" for index, name in pairs]
            for pairs in (((1, "x"), (2, "x")), ((1, "y"), (2, "y")), ((0, "x"), (0, "y")))
        ]

    def test_runs_come_first_then_ended_stages_then_tasks_the_oldest_first(self, store: StateStore) -> None:
        tasks, ended, queued = (Scenario.submitted(store, content) for content in "abc")
        tasks.open(1, "z", "a")
        ended.open(1)
        other = Scenario.started(store, "b", content="d")
        queued.publish_all(when=10)
        order = [
            queued.job.message.message_id,
            f"{ended.job_id}:1:1:-stage_complete:1",
            f"{tasks.task_id('z')}:1",
            f"{tasks.task_id('a')}:1",
            f"{other.task_id('b')}:1",
        ]

        rows = [row for limit in (2, 1, 10) for row in store.reissue_stale(at(11), at(1_000), limit)]

        assert [row.message.message_id for row in rows] == order
        assert [row.row_id for row in rows] == sorted(row.row_id for row in rows)

    def test_a_reissued_row_of_a_run_that_ended_is_dropped(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all(when=10)
        store.reissue_stale(at(11), at(1_000), 10)

        scenario.finish()

        assert scenario.waiting() == []

    def test_a_fresh_backlog_is_healthy(self, store: StateStore) -> None:
        scenario = Scenario.started(store, *(f"t{number}" for number in range(50)))
        scenario.publish_all(when=1_000)

        assert self.stale(store, before=1_000) == []


class OverdueContract:
    def test_runs_over_their_deadline_come_the_longest_overdue_first(self, store: StateStore) -> None:
        for content, deadline in (("a", 30), ("b", 10), ("c", 20), ("d", 900)):
            store.submit_job(new_job(content, deadline=at(deadline)), at(0))
        store.submit_job(new_job("e"), at(0))

        found = [(new_job(content).job_id, 1) for content in "bca"]

        assert list(store.overdue_runs(at(30), 10)) == found
        assert list(store.overdue_runs(at(30), 2)) == found[:2]
        assert list(store.overdue_runs(at(29), 10)) == found[:2]
        assert list(store.overdue_runs(at(9.9), 10)) == []

    def test_a_run_keeps_its_deadline_while_it_goes_on_paused_or_not(self, store: StateStore) -> None:
        job = new_job(deadline=at(100))
        store.submit_job(job, at(0))
        scenario = Scenario(store, job)
        scenario.open(1, "x")
        scenario.pause()

        assert scenario.run().deadline == at(100)
        assert list(store.overdue_runs(at(100), 10)) == [(job.job_id, 1)]

    def test_a_run_that_has_ended_is_not_overdue(self, store: StateStore) -> None:
        job = new_job(deadline=at(100))
        store.submit_job(job, at(0))
        Scenario(store, job).finish()

        assert list(store.overdue_runs(at(200), 10)) == []


class AttentionContract:
    def look(self, store: StateStore, now: float = 1_000, types: Collection[str] = (TASK_TYPE,)) -> Attention:
        return store.attention(at(now), at(now - 10), at(now - 900), types)

    def test_an_empty_store_and_one_at_work_need_none(self, store: StateStore) -> None:
        assert self.look(store) == Attention(False, False, False, False)
        scenario = Scenario.started(store, "x", "y")
        scenario.claim("x", when=990)
        scenario.publish_all(when=980)

        assert self.look(store) == Attention(False, False, False, False)

    def test_an_expired_lease_is_seen_by_those_who_can_end_it(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all(when=980)
        scenario.claim("x", when=900, lease=60)

        assert self.look(store).expired_leases
        assert not self.look(store, now=959.9).expired_leases
        assert not self.look(store, types=("another_type",)).expired_leases
        assert not self.look(store, types=()).expired_leases

    def test_what_was_not_published_in_time_is_seen(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        assert self.look(store, now=10).unpublished is False
        assert self.look(store, now=10.1).unpublished is True
        scenario.publish_all(when=900)
        assert self.look(store).unpublished is False

    def test_what_a_pause_holds_back_is_not(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.pause()
        assert self.look(store).unpublished is True
        scenario.publish_all(when=900)

        assert self.look(store).unpublished is False

    def test_stale_wake_ups_are_seen(self, store: StateStore) -> None:
        queued, waiting, ended = (Scenario.submitted(store, content) for content in "abc")
        waiting.open(1, "x")
        ended.open(1)

        for scenario in (queued, waiting, ended):
            scenario.publish_all(when=50)
            assert self.look(store).stale_wakeups
            assert not self.look(store, now=950).stale_wakeups
            scenario.finish()
        assert not self.look(store).stale_wakeups

    def test_a_run_over_its_deadline_is_seen(self, store: StateStore) -> None:
        store.submit_job(new_job(deadline=at(1_000)), at(995))

        assert self.look(store).overdue is True
        assert self.look(store, now=999.9).overdue is False
