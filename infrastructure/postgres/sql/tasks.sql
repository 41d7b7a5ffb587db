-- name: claim_task
-- Grants a lease on a queued task that waits for this attempt. The task's row is held first, so a claim and a
-- cancellation, or two claims, come one after the other. A claim leaves that row as it was: who waited for it sees the
-- lease in the conflict alone, and neither that lease nor a pause that came since the statement began in the answer.
WITH target AS MATERIALIZED (
    SELECT t.run_key, t.stage, t.name, t.status, t.attempt, t.charged, t.parameters_json,
        r.paused, r.job_type, g.task_type
    FROM coremachine.tasks t
    JOIN coremachine.runs r ON r.run_key = t.run_key
    JOIN coremachine.stages g ON g.run_key = t.run_key AND g.number = t.stage
    WHERE t.run_key = %(run_key)s AND t.stage = %(stage)s AND t.name = %(name)s
    FOR NO KEY UPDATE OF t
), granted AS (
    INSERT INTO coremachine.leases (run_key, stage, name, attempt, token, owner, started_at, expires_at)
    SELECT run_key, stage, name, attempt, nextval('coremachine.event_numbers'), %(owner)s, %(now)s, %(expires_at)s
    FROM target WHERE status = 'queued' AND attempt = %(attempt)s AND NOT paused
    ON CONFLICT DO NOTHING
    RETURNING token
)
SELECT target.status, target.attempt, target.charged, target.parameters_json, target.paused, target.job_type,
    target.task_type, granted.token AS granted, c.checkpoint_json,
    l.token, l.attempt AS lease_attempt, l.owner, l.expires_at, l.progressed
FROM target
LEFT JOIN granted ON true
LEFT JOIN LATERAL (
    SELECT token, attempt, owner, expires_at, progressed FROM coremachine.leases
    WHERE granted.token IS NULL AND run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s OFFSET 0
) l ON true
LEFT JOIN coremachine.checkpoints c ON c.run_key = %(run_key)s AND c.stage = %(stage)s AND c.name = %(name)s;

-- name: claim_tasks
-- claim_task for many tasks, each there once, given in key order, in which their rows are taken. A lookup is lateral, so
-- that no statistics of a table that was empty a moment ago can make a join of it.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(
        string_to_array(%(run_keys)s, %(sep)s)::bigint[], string_to_array(%(stages)s, %(sep)s)::smallint[],
        string_to_array(%(names)s, %(sep)s), string_to_array(%(attempts)s, %(sep)s)::integer[],
        string_to_array(%(owners)s, %(sep)s), string_to_array(%(times)s, %(sep)s)::timestamptz[],
        string_to_array(%(ends)s, %(sep)s)::timestamptz[], string_to_array(%(positions)s, %(sep)s)::integer[]
    ) AS i (run_key, stage, name, asked, owner, now, expires_at, position)
), target AS MATERIALIZED (
    SELECT i.*, t.status, t.attempt, t.charged, t.parameters_json, r.paused, r.job_type, g.task_type
    FROM input i
    CROSS JOIN LATERAL (
        SELECT status, attempt, charged, parameters_json FROM coremachine.tasks
        WHERE run_key = i.run_key AND stage = i.stage AND name = i.name
        FOR NO KEY UPDATE
    ) t
    CROSS JOIN LATERAL (SELECT paused, job_type FROM coremachine.runs WHERE run_key = i.run_key OFFSET 0) r
    CROSS JOIN LATERAL (
        SELECT task_type FROM coremachine.stages WHERE run_key = i.run_key AND number = i.stage OFFSET 0
    ) g
), numbered AS MATERIALIZED (
    SELECT t.*,
        CASE WHEN status = 'queued' AND attempt = asked AND NOT paused
            THEN nextval('coremachine.event_numbers') END AS new_token
    FROM (SELECT * FROM target ORDER BY position) t
), granted AS (
    INSERT INTO coremachine.leases (run_key, stage, name, attempt, token, owner, started_at, expires_at)
    SELECT run_key, stage, name, attempt, new_token, owner, now, expires_at
    FROM numbered WHERE new_token IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING token
)
SELECT n.position, n.status, n.attempt, n.charged, n.parameters_json, n.paused, n.job_type, n.task_type,
    n.granted, c.checkpoint_json, l.token, l.attempt AS lease_attempt, l.owner, l.expires_at, l.progressed
FROM (
    SELECT *, CASE WHEN new_token IN (SELECT token FROM granted) THEN new_token END AS granted FROM numbered OFFSET 0
) n
LEFT JOIN LATERAL (
    SELECT token, attempt, owner, expires_at, progressed FROM coremachine.leases
    WHERE n.granted IS NULL AND run_key = n.run_key AND stage = n.stage AND name = n.name OFFSET 0
) l ON true
LEFT JOIN LATERAL (
    SELECT checkpoint_json FROM coremachine.checkpoints
    WHERE run_key = n.run_key AND stage = n.stage AND name = n.name OFFSET 0
) c ON true;

-- name: hold_task
-- Holds a task, so that the next statement sees the lease that was granted on it.
SELECT attempt FROM coremachine.tasks
WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s FOR NO KEY UPDATE;

-- name: park_task
-- Gives a queued task of a paused run its next attempt, with its wake-up in the outbox. After share_run and hold_task.
WITH target AS MATERIALIZED (
    SELECT t.run_key, t.stage, t.name, t.attempt
    FROM coremachine.tasks t
    JOIN coremachine.runs r ON r.run_key = t.run_key AND r.paused
    WHERE t.run_key = %(run_key)s AND t.stage = %(stage)s AND t.name = %(name)s
        AND t.status = 'queued' AND t.attempt = %(attempt)s AND NOT EXISTS (
            SELECT FROM coremachine.leases l
            WHERE l.run_key = t.run_key AND l.stage = t.stage AND l.name = t.name
        )
), history AS (
    INSERT INTO coremachine.attempts
        (run_key, stage, name, attempt, token, ended, owner, started_at, ended_at, outcome)
    SELECT run_key, stage, name, attempt, 0, nextval('coremachine.event_numbers'), %(owner)s, %(now)s, %(now)s, 'parked'
    FROM target
), parked AS (
    UPDATE coremachine.tasks SET attempt = attempt + 1, woken_at = NULL
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s AND EXISTS (SELECT FROM target)
    RETURNING run_key, stage, name, attempt
)
INSERT INTO coremachine.outbox (run_key, wakes, stage, name, attempt, created_at, single)
SELECT run_key, 'task', stage, name, attempt, %(now)s, true FROM parked
RETURNING row_id;

-- name: renew_lease
-- Moves the end of a lease that is held under this token.
UPDATE coremachine.leases SET expires_at = %(expires_at)s
WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s AND token = %(token)s
RETURNING token;

-- name: save_checkpoint
-- Replaces a checkpoint and renews the lease. The attempt has progressed where the checkpoint is another one.
WITH before AS (
    SELECT checkpoint_json FROM coremachine.checkpoints
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s
), renewed AS (
    UPDATE coremachine.leases
    SET expires_at = %(expires_at)s,
        progressed = progressed OR (SELECT checkpoint_json FROM before) IS DISTINCT FROM %(checkpoint_json)s
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s AND token = %(token)s
    RETURNING run_key, stage, name
)
INSERT INTO coremachine.checkpoints (run_key, stage, name, checkpoint_json)
SELECT run_key, stage, name, %(checkpoint_json)s FROM renewed
ON CONFLICT (run_key, stage, name) DO UPDATE SET checkpoint_json = excluded.checkpoint_json
RETURNING run_key;

-- name: report_progress
-- Records progress under a lease, which is not renewed.
WITH held AS MATERIALIZED (
    SELECT run_key, stage, name FROM coremachine.leases
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s AND token = %(token)s
    FOR UPDATE
)
INSERT INTO coremachine.checkpoints
    (run_key, stage, name, progress_percent, progress_message, progress_at, progress_rate)
SELECT run_key, stage, name, %(percent)s, %(message)s, %(at)s, %(rate)s FROM held
ON CONFLICT (run_key, stage, name)
    DO UPDATE SET progress_percent = excluded.progress_percent, progress_message = excluded.progress_message,
        progress_at = excluded.progress_at, progress_rate = excluded.progress_rate
RETURNING run_key;

-- name: complete_task
-- end_tasks for one attempt that succeeded, without the sorting and joining that many ask for: two thirds of the time.
-- The lease is seen as it was when the statement began. Whoever took it since has changed the task's row, too: its
-- status, or its attempt. That row is looked at again as it is now, and so are the counts in shard and stage.
WITH ended AS (
    UPDATE coremachine.tasks t SET status = 'completed', result_json = %(result_json)s
    FROM coremachine.leases l
    WHERE t.run_key = %(run_key)s AND t.stage = %(stage)s AND t.name = %(name)s AND t.status = 'queued'
        AND l.run_key = %(run_key)s AND l.stage = %(stage)s AND l.name = %(name)s
        AND l.token = %(token)s AND l.attempt = t.attempt
    RETURNING t.shard, t.attempt, l.owner, l.started_at
), released AS (
    DELETE FROM coremachine.leases
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s AND token = %(token)s
        AND EXISTS (SELECT FROM ended)
), history AS (
    INSERT INTO coremachine.attempts
        (run_key, stage, name, attempt, token, ended, owner, started_at, ended_at, outcome)
    SELECT %(run_key)s, %(stage)s, %(name)s, attempt, %(token)s, nextval('coremachine.event_numbers'), owner, started_at,
        %(now)s, 'completed'
    FROM ended
    RETURNING ended
), counted AS (
    UPDATE coremachine.stage_shards s
    SET remaining = s.remaining - 1, ended = s.ended + 1, began_at = least(s.began_at, e.started_at)
    FROM ended e WHERE s.run_key = %(run_key)s AND s.stage = %(stage)s AND s.shard = e.shard
    RETURNING s.remaining, s.failed
), closed AS (
    UPDATE coremachine.stages g
    SET open_shards = g.open_shards - 1, failed = g.failed + c.failed,
        status = CASE
            WHEN g.open_shards > 1 THEN g.status
            WHEN g.failed + c.failed = 0 THEN 'completed'
            ELSE 'completed_with_errors'
        END,
        updated_at = CASE WHEN g.open_shards > 1 THEN g.updated_at ELSE greatest(g.updated_at, %(now)s) END
    FROM counted c WHERE c.remaining = 0 AND g.run_key = %(run_key)s AND g.number = %(stage)s
    RETURNING g.status, g.open_shards, g.end_queue, g.end_message_id, g.end_message_type, g.end_body
), event AS (
    INSERT INTO coremachine.events (run_key, number, at, kind, stage, detail)
    SELECT %(run_key)s, nextval('coremachine.event_numbers'), %(now)s, 'stage_ended', %(stage)s, c.status
    FROM closed c, history h WHERE c.open_shards = 0 AND h.ended > 0
), sent AS (
    INSERT INTO coremachine.outbox (run_key, wakes, stage, created_at)
    SELECT %(run_key)s, 'stage', %(stage)s, %(now)s FROM closed WHERE open_shards = 0
    RETURNING row_id
)
SELECT 0, s.row_id, c.end_queue, c.end_message_id, c.end_message_type, c.end_body
FROM ended
LEFT JOIN sent s ON true
LEFT JOIN closed c ON c.open_shards = 0;

-- name: end_tasks
-- Ends attempts whose tasks end with them: fencing, history, results, countdown, and the end of each stage that this
-- takes to zero, with its outbox row. Attempts are given in key order, in which rows are taken, tasks before shards
-- before stages. What is read of a row that was waited for is read again, as in complete_task. A key that is compared
-- with an array of one is looked up whatever the statistics say: nothing else can be made of such a condition, while of
-- an equality a join is made that reads all of a table which was empty when the plan was.
WITH input AS (
    SELECT * FROM unnest(
        string_to_array(%(run_keys)s, %(sep)s)::bigint[], string_to_array(%(stages)s, %(sep)s)::smallint[],
        string_to_array(%(names)s, %(sep)s), string_to_array(%(tokens)s, %(sep)s)::bigint[],
        string_to_array(%(times)s, %(sep)s)::timestamptz[], string_to_array(%(results)s, %(sep)s),
        string_to_array(%(positions)s, %(sep)s)::int[],
        %(codes)s::text[], %(messages)s::text[], %(retryables)s::bool[]
    ) i (run_key, stage, name, token, now, result, place, code, note, retry)
), held AS MATERIALIZED (
    SELECT i.*, t.attempt, t.shard, CASE WHEN code IS NULL THEN 'completed' ELSE 'failed' END AS outcome
    FROM input i
    CROSS JOIN LATERAL (
        SELECT attempt, shard FROM coremachine.tasks
        WHERE run_key = i.run_key AND stage = i.stage AND name = i.name AND status = 'queued'
        FOR NO KEY UPDATE
    ) t
), freed AS (
    DELETE FROM coremachine.leases l USING held h
    WHERE l.run_key = ANY (ARRAY[h.run_key]) AND l.stage = h.stage AND l.name = h.name
        AND l.token = h.token AND l.attempt = h.attempt
    RETURNING h.*, l.owner, l.started_at
), history AS (
    INSERT INTO coremachine.attempts (
        run_key, stage, name, attempt, token, ended, owner, started_at, ended_at, outcome,
        error_code, error_message, error_retryable
    )
    SELECT run_key, stage, name, attempt, token, nextval('coremachine.event_numbers'), owner, started_at, now,
        outcome, code, note, retry
    FROM freed ORDER BY place
    RETURNING ended
), ended AS (
    UPDATE coremachine.tasks t
    SET status = r.outcome,
        charged = charged + (code IS NOT NULL)::int, result_json = CASE WHEN code IS NULL THEN result END,
        error_code = code, error_message = note, error_retryable = retry
    FROM freed r WHERE t.run_key = ANY (ARRAY[r.run_key]) AND t.stage = r.stage AND t.name = r.name
), tally AS (
    SELECT run_key, stage, shard, count(*)::int AS ended, count(code)::int AS failed, max(now) now, max(place) AS last,
        min(started_at) AS began
    FROM freed GROUP BY run_key, stage, shard
), shards AS MATERIALIZED (
    SELECT y.* FROM (SELECT * FROM tally ORDER BY run_key, stage, shard) y
    CROSS JOIN LATERAL (
        SELECT FROM coremachine.stage_shards
        WHERE run_key = y.run_key AND stage = y.stage AND shard = y.shard
        FOR NO KEY UPDATE
    ) s
), counted AS (
    UPDATE coremachine.stage_shards s SET remaining = remaining - y.ended, failed = s.failed + y.failed,
        ended = s.ended + y.ended, began_at = least(s.began_at, y.began)
    FROM shards y WHERE s.run_key = ANY (ARRAY[y.run_key]) AND s.stage = y.stage AND s.shard = y.shard
    RETURNING s.run_key, s.stage, s.remaining, s.failed, y.now, y.last
), empty AS (
    SELECT run_key, stage, count(*)::int AS n, sum(failed)::int AS failed, max(now) now, max(last) AS last
    FROM counted WHERE remaining = 0 GROUP BY run_key, stage
), stages AS MATERIALIZED (
    SELECT e.* FROM (SELECT * FROM empty ORDER BY run_key, stage) e
    CROSS JOIN LATERAL (
        SELECT FROM coremachine.stages WHERE run_key = e.run_key AND number = e.stage FOR NO KEY UPDATE
    ) g
), closed AS (
    UPDATE coremachine.stages g
    SET open_shards = g.open_shards - e.n, failed = g.failed + e.failed,
        status = CASE
            WHEN g.open_shards > e.n THEN g.status
            WHEN g.failed + e.failed = 0 THEN 'completed'
            ELSE 'completed_with_errors'
        END,
        updated_at = greatest(g.updated_at, CASE WHEN g.open_shards = e.n THEN e.now END)
    FROM stages e WHERE g.run_key = ANY (ARRAY[e.run_key]) AND g.number = e.stage
    RETURNING g.run_key, g.number, g.status, g.open_shards, e.now, e.last,
        g.end_queue, g.end_message_id, g.end_message_type, g.end_body
), event AS (
    INSERT INTO coremachine.events (run_key, number, at, kind, stage, detail)
    SELECT run_key, nextval('coremachine.event_numbers'), now, 'stage_ended', number, status
    FROM closed WHERE open_shards = 0 AND (SELECT max(ended) FROM history) > 0
), sent AS (
    INSERT INTO coremachine.outbox (run_key, wakes, stage, created_at)
    SELECT run_key, 'stage', number, now FROM closed WHERE open_shards = 0 ORDER BY last
    RETURNING row_id, run_key, stage
)
SELECT r.place, s.row_id, c.end_queue, c.end_message_id, c.end_message_type, c.end_body
FROM freed r
LEFT JOIN sent s USING (run_key, stage)
LEFT JOIN closed c ON c.run_key = r.run_key AND c.number = s.stage;

-- name: failure_policies
-- What failed tasks do to their runs, for those that are held under these tokens.
SELECT i.position, g.failure_policy
FROM unnest(
    string_to_array(%(run_keys)s, %(sep)s)::bigint[], string_to_array(%(stages)s, %(sep)s)::smallint[],
    string_to_array(%(names)s, %(sep)s), string_to_array(%(tokens)s, %(sep)s)::bigint[],
    string_to_array(%(positions)s, %(sep)s)::int[]
) AS i (run_key, stage, name, token, position)
CROSS JOIN LATERAL (
    SELECT token FROM coremachine.leases WHERE run_key = i.run_key AND stage = i.stage AND name = i.name OFFSET 0
) l
CROSS JOIN LATERAL (
    SELECT failure_policy FROM coremachine.stages WHERE run_key = i.run_key AND number = i.stage OFFSET 0
) g
WHERE l.token = i.token;

-- name: lock_run
-- Holds a run's row, as everyone does who goes on to many of its tasks.
SELECT ended_at IS NOT NULL AS ended FROM coremachine.runs WHERE run_key = %(run_key)s FOR NO KEY UPDATE;

-- name: fail_task
-- Ends one attempt and its task as failed. Its run ends in the same transaction, which counts it then. After cancel_tasks,
-- which takes it in its turn.
WITH held AS MATERIALIZED (
    SELECT run_key, stage, name, attempt, shard FROM coremachine.tasks
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s AND status = 'queued'
    FOR NO KEY UPDATE
), released AS (
    DELETE FROM coremachine.leases l USING held h
    WHERE l.run_key = %(run_key)s AND l.stage = %(stage)s AND l.name = %(name)s
        AND l.token = %(token)s AND l.attempt = h.attempt
    RETURNING h.*, l.token, l.owner, l.started_at
), history AS (
    INSERT INTO coremachine.attempts (
        run_key, stage, name, attempt, token, ended, owner, started_at, ended_at, outcome,
        error_code, error_message, error_retryable
    )
    SELECT run_key, stage, name, attempt, token, nextval('coremachine.event_numbers'), owner, started_at, %(now)s,
        'failed', %(code)s, %(message)s, %(retryable)s
    FROM released
)
UPDATE coremachine.tasks t
SET status = 'failed', charged = t.charged + 1, error_code = %(code)s, error_message = %(message)s,
    error_retryable = %(retryable)s
FROM released WHERE t.run_key = %(run_key)s AND t.stage = %(stage)s AND t.name = %(name)s
RETURNING t.shard;

-- name: hold_lost_lease
-- Holds a task, then its lease where that is still as somebody saw it run out.
WITH held AS MATERIALIZED (
    SELECT run_key, stage, name, attempt FROM coremachine.tasks
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s AND status = 'queued'
    FOR NO KEY UPDATE
)
SELECT l.token FROM held h
JOIN coremachine.leases l ON l.run_key = %(run_key)s AND l.stage = %(stage)s AND l.name = %(name)s
WHERE l.token = %(token)s AND l.attempt = h.attempt
    AND l.expires_at = %(expires_at)s AND l.progressed = %(progressed)s
FOR UPDATE OF l;

-- name: requeue_task
-- Ends an attempt whose task waits for another one, with its wake-up in the outbox.
WITH held AS MATERIALIZED (
    SELECT run_key, stage, name, attempt FROM coremachine.tasks
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s AND status = 'queued'
    FOR NO KEY UPDATE
), released AS (
    DELETE FROM coremachine.leases l USING held h
    WHERE l.run_key = %(run_key)s AND l.stage = %(stage)s AND l.name = %(name)s
        AND l.token = %(token)s AND l.attempt = h.attempt
    RETURNING h.*, l.token, l.owner, l.started_at
), history AS (
    INSERT INTO coremachine.attempts (
        run_key, stage, name, attempt, token, ended, owner, started_at, ended_at, outcome,
        error_code, error_message, error_retryable
    )
    SELECT run_key, stage, name, attempt, token, nextval('coremachine.event_numbers'), owner, started_at, %(now)s,
        %(cause)s, %(code)s, %(message)s, %(retryable)s
    FROM released
), requeued AS (
    UPDATE coremachine.tasks t
    SET attempt = t.attempt + 1, charged = t.charged + %(charged)s::boolean::integer, woken_at = NULL
    FROM released WHERE t.run_key = %(run_key)s AND t.stage = %(stage)s AND t.name = %(name)s
    RETURNING t.run_key, t.stage, t.name, t.attempt
), sent AS (
    INSERT INTO coremachine.outbox (run_key, wakes, stage, name, attempt, not_before, created_at, single)
    SELECT run_key, 'task', stage, name, attempt, %(not_before)s, %(now)s, true FROM requeued
    RETURNING row_id
)
SELECT s.row_id, r.paused FROM sent s JOIN coremachine.runs r ON r.run_key = %(run_key)s;

-- name: load_task
-- A task with its checkpoint and its newest progress.
SELECT t.name, g.task_type,
    CASE WHEN t.status = 'queued' AND l.token IS NOT NULL THEN 'running' ELSE t.status END AS status,
    t.stage, t.attempt, t.charged, t.parameters_json, t.result_json, t.error_code, t.error_message, t.error_retryable,
    c.checkpoint_json, c.progress_percent, coalesce(c.progress_message, '') AS progress_message, c.progress_at,
    c.progress_rate
FROM coremachine.tasks t
JOIN coremachine.stages g ON g.run_key = t.run_key AND g.number = t.stage
LEFT JOIN coremachine.leases l ON l.run_key = t.run_key AND l.stage = t.stage AND l.name = t.name
LEFT JOIN coremachine.checkpoints c ON c.run_key = t.run_key AND c.stage = t.stage AND c.name = t.name
WHERE t.run_key = %(run_key)s AND t.stage = %(stage)s AND t.name = %(name)s;

-- name: list_attempts
-- Every try at a task, oldest first; the last is its lease where it runs.
SELECT attempt, owner, token, started_at, ended_at, outcome, error_code, error_message, error_retryable
FROM coremachine.attempts WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s
UNION ALL
SELECT attempt, owner, token, started_at, NULL, NULL, NULL, NULL, NULL
FROM coremachine.leases WHERE run_key = %(run_key)s AND stage = %(stage)s AND name = %(name)s
ORDER BY attempt;
