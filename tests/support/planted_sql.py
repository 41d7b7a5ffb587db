"""Statements with one mechanism taken out each. A test kit that lets one of them pass proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import cast
from unittest.mock import patch

from infrastructure.postgres import endings, leases, operations, recovery, run_keys, runs

MODULES = (endings, leases, operations, recovery, run_keys, runs)


@dataclass(frozen=True, slots=True)
class Planted:
    """``block`` with ``new`` in the place of ``old``, which is there once.

    ``caught_by`` names the test that fails then: one of the contract alone, another with its class or module before a
    dot.
    """

    name: str
    block: str
    old: str
    new: str
    caught_by: str

    def __str__(self) -> str:
        return self.name


@contextmanager
def plant(planted: Planted) -> Iterator[None]:
    """The store's statements with a change. Raises :class:`ValueError` where it does not fit them exactly once."""
    blocks = [found for module in MODULES for found in vars(module).values() if _has(found, planted.block)]
    statements = {cast("dict[str, str]", found)[planted.block] for found in blocks}
    if len(statements) != 1:
        raise ValueError(f"{planted.name}: there are {len(statements)} blocks {planted.block}")
    (sound,) = statements
    if sound.count(planted.old) != 1:
        raise ValueError(f"{planted.name}: {planted.block} has {sound.count(planted.old)} times {planted.old!r}")
    with ExitStack() as patched:
        for found in blocks:
            patched.enter_context(patch.dict(found, {planted.block: sound.replace(planted.old, planted.new)}))
        yield


def _has(value: object, block: str) -> bool:
    return isinstance(value, dict) and block in value


PLANTED = (
    # --- who may write ---
    Planted(
        "a task is completed without fencing",
        "complete_task",
        "\nAND l.token = %(token)s AND l.attempt = t.attempt",
        "",
        "test_a_zombie_is_refused_after_another_worker_took_over",
    ),
    Planted(
        "a task is completed by the lease of an earlier attempt that is still seen",
        "complete_task",
        " AND l.attempt = t.attempt",
        "",
        "TestCompletions.test_whoever_ends_an_attempt_second_has_lost_its_lease[complete]",
    ),
    Planted(
        "a task is completed whatever its status",
        "complete_task",
        " AND t.status = 'queued'",
        "",
        "TestCompletions.test_a_completion_after_a_cancellation_has_lost_its_lease",
    ),
    Planted(
        "tasks end without fencing",
        "end_tasks",
        "\nAND l.token = h.token AND l.attempt = h.attempt",
        "",
        "test_a_lost_lease_is_told_and_hinders_none_of_the_others",
    ),
    Planted(
        "a task is queued again without fencing",
        "requeue_task",
        "\nAND l.token = %(token)s AND l.attempt = h.attempt",
        "",
        "test_a_zombie_is_refused_after_another_worker_took_over",
    ),
    Planted(
        "a holder that renewed its lease is taken for lost",
        "hold_lost_lease",
        "l.expires_at = %(expires_at)s AND l.progressed",
        "l.progressed",
        "test_nothing_is_written_where_the_holder_was_heard_of_since",
    ),
    Planted(
        "a holder that saved a checkpoint is taken for lost",
        "hold_lost_lease",
        " AND l.progressed = %(progressed)s",
        "",
        "test_nothing_is_written_where_the_holder_was_heard_of_since",
    ),
    Planted(
        "a task fails without fencing",
        "fail_task",
        "\nAND l.token = %(token)s AND l.attempt = h.attempt",
        "",
        "TestFailFast.test_a_failure_that_lost_its_lease_meanwhile_is_undone",
    ),
    Planted(
        "a lease is renewed without fencing",
        "renew_lease",
        " AND token = %(token)s",
        "",
        "test_a_zombie_is_refused_after_another_worker_took_over",
    ),
    Planted(
        "a checkpoint is saved without fencing",
        "save_checkpoint",
        " AND token = %(token)s",
        "",
        "test_a_zombie_is_refused_after_another_worker_took_over",
    ),
    Planted(
        "progress is reported without fencing",
        "report_progress",
        " AND token = %(token)s",
        "",
        "test_a_zombie_is_refused_after_another_worker_took_over",
    ),
    # --- claims ---
    Planted(
        "a task that has ended is claimed",
        "claim_task",
        "WHERE status = 'queued' AND attempt",
        "WHERE attempt",
        "test_a_task_that_has_ended_is_refused",
    ),
    Planted(
        "any attempt is claimed",
        "claim_task",
        " AND attempt = %(attempt)s",
        "",
        "test_a_message_of_another_attempt_is_stale",
    ),
    Planted(
        "a lease is overwritten by the next",
        "claim_task",
        "ON CONFLICT DO NOTHING",
        "ON CONFLICT (run_key, stage, name) DO UPDATE SET token = excluded.token, owner = excluded.owner",
        "test_a_task_that_runs_is_refused_to_everybody",
    ),
    Planted(
        "a claim does not hold its task",
        "claim_task",
        "\nFOR NO KEY UPDATE OF t",
        "",
        "TestClaims.test_a_claim_after_a_cancellation_is_refused",
    ),
    Planted(
        "a pause holds no claim back", "claim_task", " AND NOT paused", "", "test_no_task_of_a_paused_run_is_claimed"
    ),
    Planted(
        "claims come in any order",
        "claim_tasks",
        "(SELECT * FROM target ORDER BY position)",
        "(SELECT * FROM target ORDER BY position DESC)",
        "test_tokens_and_the_timeline_follow_the_order_given",
    ),
    # --- the countdown ---
    Planted(
        "a shard is counted down from what was read before",
        "complete_task",
        "SET remaining = s.remaining - 1",
        "SET remaining = (SELECT remaining FROM coremachine.stage_shards o"
        " WHERE o.run_key = s.run_key AND o.stage = s.stage AND o.shard = s.shard) - 1",
        "TestTheLastTwoOfAStage.test_the_second_ends_it[1]",
    ),
    Planted(
        "the tasks that are left are counted",
        "complete_task",
        "UPDATE coremachine.stage_shards s\n"
        "SET remaining = s.remaining - 1, ended = s.ended + 1, began_at = least(s.began_at, e.started_at)\n"
        "FROM ended e WHERE s.run_key = %(run_key)s AND s.stage = %(stage)s AND s.shard = e.shard\n"
        "RETURNING s.remaining, s.failed",
        "SELECT count(*) - 1 AS remaining, 0 AS failed FROM coremachine.tasks t, ended e\n"
        "WHERE t.run_key = %(run_key)s AND t.stage = %(stage)s AND t.status = 'queued'",
        "TestTheLastTwoOfAStage.test_the_second_ends_it[1]",
    ),
    Planted(
        "the shards of a stage are counted down from what was read before",
        "complete_task",
        "SET open_shards = g.open_shards - 1,",
        "SET open_shards = (SELECT open_shards FROM coremachine.stages o"
        " WHERE o.run_key = g.run_key AND o.number = g.number) - 1,",
        "TestTheLastTwoOfAStage.test_the_second_ends_it[2]",
    ),
    Planted(
        "batches are counted down from what was read before",
        "end_tasks",
        "SET remaining = remaining - y.ended,",
        "SET remaining = (SELECT remaining FROM coremachine.stage_shards o"
        " WHERE o.run_key = s.run_key AND o.stage = s.stage AND o.shard = s.shard) - y.ended,",
        "TestTheLastTwoOfAStage.test_two_batches_end_it_once",
    ),
    Planted(
        "the last task forgets the outbox",
        "complete_task",
        "%(now)s FROM closed WHERE open_shards = 0",
        "%(now)s FROM closed WHERE open_shards < 0",
        "test_the_last_task_ends_the_stage_and_puts_its_message_in_the_outbox_once",
    ),
    Planted(
        "the last of a batch forgets the outbox",
        "end_tasks",
        "now FROM closed WHERE open_shards = 0",
        "now FROM closed WHERE open_shards < 0",
        "test_the_last_of_a_stage_ends_it_once",
    ),
    # --- stages and runs ---
    Planted(
        "a stage is opened twice",
        "open_stage",
        "r.newest_stage = %(number)s - 1",
        "r.newest_stage >= %(number)s - 1",
        "test_opening_a_stage_twice_writes_nothing_the_second_time",
    ),
    Planted(
        "the next stage opens while one runs",
        "open_stage",
        ") <> 'running')",
        ") <> 'never')",
        "test_a_stage_is_not_opened_while_the_one_before_runs",
    ),
    Planted(
        "a stage opens in a run that has ended",
        "open_stage",
        " AND r.ended_at IS NULL",
        "",
        "TestOpening.test_no_stage_opens_after_a_cancellation",
    ),
    Planted(
        "a run ends twice",
        "end_run",
        " AND ended_at IS NULL",
        "",
        "TestOpening.test_a_run_ends_once",
    ),
    Planted(
        "a run ends without the stage that just opened",
        "end_run",
        "), newest_stage > 0) AS stage_runs",
        "), false) AS stage_runs",
        "TestOpening.test_a_cancellation_waits_for_a_stage_that_opens_and_ends_it[names0]",
    ),
    Planted(
        "a late caller ends a run that has moved on",
        "end_run",
        " OR newest_stage = %(newest_stage)s",
        " OR newest_stage >= 0",
        "TestOpening.test_who_ends_a_run_by_its_newest_stage_is_too_late_once_another_opens",
    ),
    Planted(
        "a stage that has ended ends again with its run",
        "end_cancelled_stage",
        " AND status = 'running'",
        "",
        "TestCompletions.test_a_cancellation_waits_for_the_last_completion_and_leaves_the_stage_as_that_ended_it",
    ),
    Planted(
        "a failure cancels nothing",
        "cancel_tasks",
        " AND status = 'queued'",
        " AND status = 'failed'",
        "test_under_fail_fast_a_failure_ends_the_run_with_its_error",
    ),
    Planted(
        "a cancellation revokes no lease",
        "end_cancelled_stage",
        "DELETE FROM coremachine.leases WHERE run_key",
        "DELETE FROM coremachine.leases WHERE attempt < 0 AND run_key",
        "TestClaims.test_a_cancellation_waits_for_a_claim_and_revokes_it",
    ),
    Planted(
        "a failure is counted before its run's other tasks are",
        "fail_task",
        "), history AS (",
        "), counted AS (\nUPDATE coremachine.stage_shards s SET failed = s.failed FROM released r\n"
        "WHERE s.run_key = r.run_key AND s.stage = r.stage AND s.shard = r.shard\n), history AS (",
        "test_locks.test_who_waits_for_a_row_holds_none_that_comes_after_it[fail_fast]",
    ),
    # --- attempts ---
    Planted(
        "a task that is queued again keeps its attempt",
        "requeue_task",
        "SET attempt = t.attempt + 1,",
        "SET attempt = t.attempt,",
        "test_a_requeued_task_waits_for_its_next_attempt",
    ),
    Planted(
        "the retry budget is never spent",
        "spend_retry",
        " AND (retry_budget IS NULL OR retries_used < retry_budget)",
        "",
        "test_a_retry_over_the_run_s_budget_is_a_final_failure",
    ),
    Planted(
        "a claim under way is parked",
        "hold_task",
        " FOR NO KEY UPDATE",
        "",
        "test_concurrent_pauses.test_a_claim_under_way_is_not_parked",
    ),
    Planted(
        "a pause may end while a task is parked",
        "share_run",
        " FOR SHARE",
        "",
        "test_concurrent_pauses.test_what_was_parked_is_woken_by_who_resumes",
    ),
    # --- the outbox ---
    Planted(
        "rows of a run that ended are published",
        "unpublished",
        "(r.ended_at IS NULL AND NOT",
        "(NOT",
        "test_a_run_that_has_completed_has_nothing_left_to_publish",
    ),
    Planted(
        "rows of a paused run's tasks are published",
        "unpublished",
        " AND NOT (o.wakes = 'task' AND r.paused)",
        "",
        "test_the_wake_ups_of_tasks_are_held_back_and_the_others_are_not",
    ),
    Planted(
        "rows are taken out before their times are noted",
        "mark_published",
        "SET woken_at = CASE WHEN h.first THEN %(now)s ELSE g.woken_at END",
        "SET woken_at = g.woken_at",
        "test_the_wake_ups_of_queued_tasks_are_given_again_and_of_no_others",
    ),
    Planted(
        "a wake-up counts for whatever attempt its task waits for",
        "mark_published",
        " AND t.attempt = w.attempt",
        "",
        "test_a_row_of_the_task_s_earlier_attempt_holds_its_wake_up_back",
    ),
    Planted(
        "relays take rows in the order of the bus",
        "mark_published",
        "\nORDER BY o.run_key, o.stage, o.name, o.row_id",
        "\nORDER BY o.row_id DESC",
        "test_locks.test_who_waits_for_a_row_holds_none_that_comes_after_it[mark_published]",
    ),
    Planted(
        "runs are taken last where no task has a time of its own",
        "mark_published",
        "(SELECT count(*) FROM runs) >= 0 AND ",
        "",
        "test_locks.test_who_waits_for_a_row_holds_none_that_comes_after_it[mark_first_published]",
    ),
    Planted(
        "tasks that run are woken again",
        "reissue_tasks",
        "\nAND t.name NOT IN (SELECT name FROM coremachine.leases WHERE run_key = %(run_key)s AND stage = %(stage)s)",
        "",
        "test_the_wake_ups_of_queued_tasks_are_given_again_and_of_no_others",
    ),
    Planted(
        "a backlog is sent again in every window",
        "reissue_tasks",
        "least(coalesce(grace * 2, '0') + %(window)s, %(max_grace)s) AS grace",
        "NULL::interval AS grace",
        "test_each_time_it_is_waited_for_twice_as_long",
    ),
    Planted(
        "a task's later attempts inherit its patience",
        "mark_published",
        ", grace = w.grace",
        ", grace = coalesce(w.grace, t.grace)",
        "test_a_later_attempt_is_not_waited_for_any_longer",
    ),
    Planted(
        "two passes wake one run twice",
        "reissue_runs",
        "\nFOR NO KEY UPDATE OF r SKIP LOCKED\n), taken AS (\n"
        "UPDATE coremachine.runs r SET woken_at = NULL, grace = least(r.grace * 2 + %(window)s, %(max_grace)s)\n"
        "FROM stale s WHERE r.run_key = ANY (ARRAY[s.run_key])\n",
        "\n",
        "TestReissuing.test_the_second_of_two_passes_gives_nothing_whether_or_not_the_first_is_committed",
    ),
    # --- operators ---
    Planted(
        "a relay goes on with a run that was cancelled",
        "still_unpublished",
        "r.ended_at IS NULL AND NOT",
        "NOT",
        "test_a_run_that_has_completed_has_nothing_left_to_publish",
    ),
    Planted(
        "a relay goes on with a run that was paused",
        "still_unpublished",
        " AND NOT (o.wakes = 'task' AND r.paused)",
        "",
        "test_of_some_rows_those_are_told_that_may_still_be_published",
    ),
    Planted(
        "letters in the outbox hold up those that are to be deleted",
        "hold_old_letters",
        "\nAND record_id NOT IN (SELECT letter FROM coremachine.outbox WHERE letter IS NOT NULL)",
        "",
        "test_a_letter_that_is_in_the_outbox_stays_and_holds_up_no_other",
    ),
    Planted(
        "a run that never began leaves its message behind",
        "end_run",
        "SELECT NOT stage_runs AND %(status)s IN ('failed', 'cancelled') FROM found",
        "SELECT false FROM found",
        "test_dropped_messages.test_a_run_that_never_began_takes_its_message_along[cancelled]",
    ),
    Planted(
        "two make the same run",
        "lock_job",
        " FOR NO KEY UPDATE",
        "",
        "TestFurtherRuns.test_there_is_one_run_of_each_number[again]",
    ),
    Planted(
        "a run that goes on is deleted",
        "lock_run_to_delete",
        "r.ended_at IS NOT NULL AND NOT (",
        "NOT (",
        "test_a_run_that_goes_on_is_left",
    ),
    Planted(
        "a letter is replayed by everyone",
        "replay_dead_letter",
        " AND replays = %(replays)s",
        "",
        "TestDeadLetters.test_a_letter_is_replayed_by_one",
    ),
    Planted(
        "letters are written in the order given",
        "record_dead_letters",
        "ORDER BY queue, message_id, sha256(body), record_id",
        "ORDER BY record_id",
        "TestDeadLetters.test_who_waits_for_a_letter_holds_none_that_comes_after_it",
    ),
    Planted(
        "letters of one id are written in the order given",
        "record_dead_letters",
        "ORDER BY queue, message_id, sha256(body), record_id",
        "ORDER BY queue, message_id, record_id",
        "TestDeadLetters.test_who_waits_for_a_letter_holds_none_of_its_id_that_comes_after_it",
    ),
)
