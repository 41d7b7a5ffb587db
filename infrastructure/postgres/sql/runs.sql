-- name: find_run_key
-- The key of a run, which never changes while the run exists.
SELECT run_key FROM coremachine.runs WHERE job_id = %(job_id)s AND run = %(run)s;

-- name: submit_job
-- Creates a job with its first run, its event and its outbox row, unless there is such a job or such a key.
WITH job AS (
    INSERT INTO coremachine.jobs (job_id, tenant, idempotency_key, latest_run)
    VALUES (%(job_id)s, %(tenant)s, %(idempotency_key)s, 1)
    ON CONFLICT DO NOTHING
    RETURNING job_id
), created AS (
    INSERT INTO coremachine.runs (
        job_id, run, job_type, tenant, parameters_json, retry_budget, deadline, created_at, updated_at,
        wake_queue, wake_message_id, wake_message_type, wake_body
    )
    SELECT job_id, 1, %(job_type)s, %(tenant)s, %(parameters_json)s, %(retry_budget)s, %(deadline)s, %(now)s, %(now)s,
        %(queue)s, %(message_id)s, %(message_type)s, %(body)s
    FROM job
    RETURNING run_key
), event AS (
    INSERT INTO coremachine.events (run_key, number, at, kind)
    SELECT run_key, nextval('coremachine.event_numbers'), %(now)s, 'job_submitted' FROM created
)
INSERT INTO coremachine.outbox (run_key, wakes, created_at)
SELECT run_key, 'run', %(now)s FROM created
RETURNING row_id, run_key;

-- name: idempotency_holder
-- The job for which a tenant used an idempotency key.
SELECT job_id FROM coremachine.jobs WHERE tenant = %(tenant)s AND idempotency_key = %(idempotency_key)s;

-- name: load_run
-- A run, a row for each of its stages, or one row where it has none.
SELECT
    r.run_key, r.job_id, r.run, r.job_type, r.tenant, r.parameters_json, r.status, r.created_at,
    greatest(r.updated_at, max(g.updated_at) OVER ()) AS updated_at,
    r.result_json, r.error_code, r.error_message, r.error_retryable,
    r.retries_used, r.retry_budget, r.paused, r.deadline,
    g.number, g.name, g.task_type, g.status AS stage_status, g.failure_policy, g.total, s.remaining, s.failed
FROM coremachine.runs r
LEFT JOIN LATERAL (SELECT * FROM coremachine.stages WHERE run_key = r.run_key OFFSET 0) g ON true
LEFT JOIN LATERAL (
    SELECT coalesce(sum(remaining), 0)::integer AS remaining, coalesce(sum(failed), 0)::integer AS failed
    FROM coremachine.stage_shards WHERE run_key = g.run_key AND stage = g.number
) s ON true
WHERE r.job_id = %(job_id)s
    AND r.run = coalesce(%(run)s::integer, (SELECT latest_run FROM coremachine.jobs WHERE job_id = %(job_id)s))
ORDER BY g.number;

-- name: end_run
-- Ends a run that has not ended, with its event unless its newest stage may still run: then the tasks end first. The
-- stage is seen as it was when the statement began. One that is seen to have ended has; one that is seen to run may have
-- ended since, and one that is not seen was opened while the run's row was waited for: the next statements look again.
-- Otherwise the message that would have woken the run is dropped, but where the run has come to its own end by it.
WITH ended AS (
    UPDATE coremachine.runs
    SET status = %(status)s, result_json = %(result_json)s, error_code = %(error_code)s,
        error_message = %(error_message)s, error_retryable = %(error_retryable)s,
        ended_at = %(now)s, updated_at = greatest(updated_at, %(now)s), paused = false
    WHERE run_key = %(run_key)s AND ended_at IS NULL
        AND (%(newest_stage)s::integer IS NULL OR newest_stage = %(newest_stage)s)
    RETURNING run_key, newest_stage
), found AS (
    SELECT run_key, newest_stage, coalesce((
        SELECT status = 'running' FROM coremachine.stages g WHERE g.run_key = e.run_key AND g.number = e.newest_stage
    ), newest_stage > 0) AS stage_runs
    FROM ended e
), event AS (
    INSERT INTO coremachine.events (run_key, number, at, kind, detail, actor)
    SELECT run_key, nextval('coremachine.event_numbers'), %(now)s, 'job_ended', %(status)s, %(actor)s
    FROM found WHERE NOT stage_runs
), unsent AS MATERIALIZED (
    SELECT row_id FROM coremachine.outbox
    WHERE run_key = %(run_key)s AND (SELECT NOT stage_runs AND %(status)s IN ('failed', 'cancelled') FROM found)
    ORDER BY row_id
    FOR UPDATE
), dropped AS (
    DELETE FROM coremachine.outbox WHERE row_id = ANY (ARRAY(SELECT row_id FROM unsent))
)
SELECT newest_stage, stage_runs FROM found;

-- name: cancel_tasks
-- Cancels what has not ended of a stage, in key order as everyone takes it, and holds the task that is spared with
-- them. Its row count is how many. Claims and ends of attempts under way are waited for; later ones find it cancelled.
WITH waiting AS MATERIALIZED (
    SELECT run_key, stage, name FROM coremachine.tasks
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND status = 'queued'
    ORDER BY run_key, stage, name
    FOR NO KEY UPDATE
)
UPDATE coremachine.tasks t SET status = 'cancelled'
FROM waiting w
WHERE t.run_key = ANY (ARRAY[w.run_key]) AND t.stage = w.stage AND t.name = w.name AND t.name IS DISTINCT FROM %(spared)s;

-- name: end_cancelled_stage
-- Ends the newest stage with its run, unless its last task was faster: revokes the leases of the cancelled tasks,
-- zeroes the countdown, drops the messages, and writes both ends into the timeline. After cancel_tasks, in a statement
-- of its own: it sees every lease that was granted, and the stage's end where that came first.
WITH revoked AS (
    DELETE FROM coremachine.leases WHERE run_key = %(run_key)s AND stage = %(stage)s
    RETURNING run_key, stage, name, attempt, token, owner, started_at
), history AS (
    INSERT INTO coremachine.attempts
        (run_key, stage, name, attempt, token, ended, owner, started_at, ended_at, outcome)
    SELECT run_key, stage, name, attempt, token, nextval('coremachine.event_numbers'), owner, started_at, %(now)s,
        'cancelled'
    FROM revoked
), emptied AS (
    UPDATE coremachine.stage_shards
    SET remaining = 0, failed = failed + (shard IS NOT DISTINCT FROM %(failed_shard)s)::integer
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND remaining > 0
    RETURNING 1
), closed AS (
    UPDATE coremachine.stages
    SET status = CASE %(status)s WHEN 'failed' THEN 'failed' ELSE 'cancelled' END, open_shards = 0,
        updated_at = greatest(updated_at, %(now)s)
    WHERE run_key = %(run_key)s AND number = %(stage)s AND status = 'running' AND (SELECT count(*) FROM emptied) >= 0
    RETURNING status
), unsent AS MATERIALIZED (
    SELECT row_id FROM coremachine.outbox
    WHERE run_key = %(run_key)s AND (SELECT count(*) FROM closed) >= 0
    ORDER BY row_id
    FOR UPDATE
), dropped AS (
    DELETE FROM coremachine.outbox WHERE row_id = ANY (ARRAY(SELECT row_id FROM unsent))
)
INSERT INTO coremachine.events (run_key, number, at, kind, stage, detail, actor)
SELECT %(run_key)s, nextval('coremachine.event_numbers'), %(now)s, kind, stage, detail, actor
FROM (
    SELECT 1 AS place, 'tasks_cancelled' AS kind, NULL::smallint AS stage, %(cancelled)s::text AS detail, '' AS actor
    WHERE %(cancelled)s > 0
    UNION ALL
    SELECT 2, 'stage_ended', %(stage)s, status, '' FROM closed
    UNION ALL
    SELECT 3, 'job_ended', NULL, %(status)s, %(actor)s
    ORDER BY place
) told;

-- name: spend_retry
-- Counts a charged retry of a run, unless its budget is spent.
UPDATE coremachine.runs SET retries_used = retries_used + 1
WHERE run_key = %(run_key)s AND (retry_budget IS NULL OR retries_used < retry_budget)
RETURNING retries_used;

-- name: share_run
-- Keeps a run's pause as it is until the transaction ends.
SELECT paused FROM coremachine.runs WHERE run_key = %(run_key)s FOR SHARE;
