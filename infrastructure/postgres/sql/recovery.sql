-- name: unpublished
-- The oldest rows of the outbox with all that their messages are made of. Of the very oldest, those of runs that have
-- ended are dropped; what somebody else takes out at this moment is not waited for. Lookups are lateral here as
-- everywhere, so that no statistics make a join of them that reads all runs.
WITH ended AS MATERIALIZED (
    SELECT o.row_id
    FROM coremachine.outbox o
    JOIN (
        SELECT row_id FROM coremachine.outbox WHERE row_id > %(after)s ORDER BY row_id LIMIT %(limit)s
    ) oldest USING (row_id)
    WHERE o.created_at < %(before)s
        AND (SELECT r.ended_at FROM coremachine.runs r WHERE r.run_key = o.run_key) IS NOT NULL
    FOR UPDATE OF o SKIP LOCKED
), dropped AS (
    DELETE FROM coremachine.outbox o USING ended e WHERE o.row_id = e.row_id
)
SELECT o.row_id, o.wakes, o.stage, o.name, o.attempt, o.not_before, r.job_id, r.run, r.job_type,
    g.task_type, g.task_queue, g.end_queue, g.end_message_id, g.end_message_type, g.end_body,
    r.wake_queue, r.wake_message_id, r.wake_message_type, r.wake_body,
    d.queue AS letter_queue, o.letter_message_id, d.message_type AS letter_message_type, d.body AS letter_body
FROM coremachine.outbox o
LEFT JOIN LATERAL (SELECT * FROM coremachine.runs WHERE run_key = o.run_key OFFSET 0) r ON true
LEFT JOIN LATERAL (SELECT * FROM coremachine.stages WHERE run_key = o.run_key AND number = o.stage OFFSET 0) g ON true
LEFT JOIN LATERAL (SELECT * FROM coremachine.dead_letters WHERE record_id = o.letter OFFSET 0) d ON true
WHERE o.row_id > %(after)s AND o.created_at < %(before)s AND (
    o.wakes = 'letter'
    OR (r.ended_at IS NULL AND NOT (o.wakes = 'task' AND r.paused))
)
ORDER BY o.row_id
LIMIT %(limit)s;

-- name: still_unpublished
-- Of some outbox rows those that are there and may be published.
SELECT o.row_id FROM coremachine.outbox o
WHERE o.row_id = ANY (string_to_array(%(row_ids)s, E'\x1f')::bigint[]) AND (o.wakes = 'letter' OR (
    SELECT r.ended_at IS NULL AND NOT (o.wakes = 'task' AND r.paused)
    FROM coremachine.runs r WHERE r.run_key = o.run_key
));

-- name: mark_published
-- Takes rows out of the outbox and notes when their wake-ups were published: of runs, tasks, then stages, each by key, as
-- everyone takes them. A step counts what the one before it did, and so comes after it also where that was nothing.
-- Losing this to a crash publishes them again, so the commit does not wait for the disk.
WITH relaxed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true) AS setting
), rows AS MATERIALIZED (
    SELECT o.* FROM coremachine.outbox o, relaxed
    WHERE o.row_id = ANY (string_to_array(%(row_ids)s, E'\x1f')::bigint[]) AND relaxed.setting = 'off'
    ORDER BY o.run_key, o.stage, o.name, o.row_id
), runs AS (
    UPDATE coremachine.runs r SET woken_at = %(now)s + r.grace
    FROM rows w WHERE w.wakes = 'run' AND r.run_key = ANY (ARRAY[w.run_key])
    RETURNING 1
), tasks AS (
    UPDATE coremachine.tasks t SET woken_at = greatest(%(now)s, w.not_before) + coalesce(w.grace, '0'), grace = w.grace
    FROM rows w
    WHERE (SELECT count(*) FROM runs) >= 0 AND w.wakes = 'task' AND w.single
        AND t.run_key = ANY (ARRAY[w.run_key]) AND t.stage = w.stage AND t.name = w.name AND t.attempt = w.attempt
    RETURNING 1
), woken AS MATERIALIZED (
    SELECT run_key, stage, bool_or(wakes = 'stage') AS ended, bool_or(wakes = 'task' AND NOT single) AS first,
        min(greatest(%(now)s, not_before) + coalesce(grace, '0')) FILTER (WHERE wakes = 'task') AS oldest
    FROM rows WHERE stage IS NOT NULL
    GROUP BY run_key, stage
), held AS MATERIALIZED (
    SELECT w.* FROM (SELECT * FROM woken ORDER BY run_key, stage) w
    CROSS JOIN LATERAL (
        SELECT FROM coremachine.stages WHERE run_key = w.run_key AND number = w.stage FOR NO KEY UPDATE
    ) g
    WHERE (SELECT count(*) FROM tasks) >= 0
), stages AS (
    UPDATE coremachine.stages g
    SET woken_at = CASE WHEN h.first THEN %(now)s ELSE g.woken_at END,
        oldest_wakeup = least(g.oldest_wakeup, h.oldest),
        end_woken_at = CASE WHEN h.ended THEN %(now)s + g.end_grace ELSE g.end_woken_at END
    FROM held h WHERE g.run_key = ANY (ARRAY[h.run_key]) AND g.number = h.stage
    RETURNING 1
)
DELETE FROM coremachine.outbox o
USING (SELECT row_id FROM rows ORDER BY row_id) w
WHERE o.row_id = w.row_id AND (SELECT count(*) FROM stages) >= 0;

-- name: expired_leases
-- Leases of these task types that have ended, the longest expired first.
WITH expired AS MATERIALIZED (
    SELECT l.*, g.task_type
    FROM coremachine.leases l
    CROSS JOIN LATERAL (
        SELECT task_type FROM coremachine.stages WHERE run_key = l.run_key AND number = l.stage OFFSET 0
    ) g
    WHERE l.expires_at <= %(now)s AND g.task_type = ANY (%(task_types)s)
    ORDER BY l.expires_at, l.token
    LIMIT %(limit)s
)
SELECT e.run_key, r.job_id, r.run, r.job_type, e.task_type, e.stage, e.name, e.attempt, e.token, e.owner, e.expires_at,
    e.progressed, t.charged
FROM expired e
CROSS JOIN LATERAL (SELECT job_id, run, job_type FROM coremachine.runs WHERE run_key = e.run_key OFFSET 0) r
CROSS JOIN LATERAL (
    SELECT charged FROM coremachine.tasks WHERE run_key = e.run_key AND stage = e.stage AND name = e.name OFFSET 0
) t
ORDER BY e.expires_at, e.token;

-- name: reissue_runs
-- Puts the job messages of runs that never opened a stage into the outbox again. Taking the time of publication away,
-- until the next, is what a second pass meets that began before this one was committed. Here and below NOT IN is looked
-- up in a table that is made of the outbox once.
WITH stale AS (
    SELECT r.run_key FROM coremachine.runs r
    WHERE r.ended_at IS NULL AND r.newest_stage = 0 AND r.woken_at < %(before)s
        AND r.run_key NOT IN (SELECT DISTINCT o.run_key FROM coremachine.outbox o WHERE o.run_key IS NOT NULL)
    ORDER BY r.woken_at, r.run_key
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF r SKIP LOCKED
), taken AS (
    UPDATE coremachine.runs r SET woken_at = NULL, grace = least(r.grace * 2 + %(window)s, %(max_grace)s)
    FROM stale s WHERE r.run_key = ANY (ARRAY[s.run_key])
)
INSERT INTO coremachine.outbox (run_key, wakes, created_at)
SELECT run_key, 'run', %(now)s FROM stale
RETURNING row_id;

-- name: reissue_ends
-- Puts the messages of ended stages that did not advance into the outbox again, as reissue_runs.
WITH stale AS (
    SELECT g.run_key, g.number FROM coremachine.runs r
    JOIN coremachine.stages g ON g.run_key = ANY (ARRAY[r.run_key]) AND g.number = r.newest_stage
    WHERE r.ended_at IS NULL AND g.status <> 'running' AND g.end_woken_at < %(before)s
        AND (g.run_key, g.number) NOT IN (SELECT o.run_key, o.stage FROM coremachine.outbox o WHERE o.wakes = 'stage')
    ORDER BY g.end_woken_at, g.run_key
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF g SKIP LOCKED
), taken AS (
    UPDATE coremachine.stages g SET end_woken_at = NULL, end_grace = least(g.end_grace * 2 + %(window)s, %(max_grace)s)
    FROM stale s WHERE g.run_key = ANY (ARRAY[s.run_key]) AND g.number = s.number
)
INSERT INTO coremachine.outbox (run_key, wakes, stage, created_at)
SELECT run_key, 'stage', number, %(now)s FROM stale
RETURNING row_id;

-- name: stages_to_look_at
-- Running stages in which a wake-up may be stale, those with the oldest.
SELECT run_key, number
FROM (
    SELECT g.run_key, g.number FROM coremachine.runs r
    JOIN coremachine.stages g ON g.run_key = ANY (ARRAY[r.run_key]) AND g.number = r.newest_stage
    WHERE r.ended_at IS NULL AND NOT r.paused AND g.status = 'running' AND g.oldest_wakeup < %(before)s
    ORDER BY g.oldest_wakeup, g.run_key
    LIMIT %(limit)s
) oldest
ORDER BY run_key, number;

-- name: hold_stage_to_look_at
-- Holds one of them, unless another pass does, so that the next statement sees what passes before it did.
SELECT g.number FROM coremachine.stages g
CROSS JOIN LATERAL (SELECT ended_at, paused FROM coremachine.runs WHERE run_key = %(run_key)s OFFSET 0) r
WHERE g.run_key = %(run_key)s AND g.number = %(stage)s
    AND r.ended_at IS NULL AND NOT r.paused AND g.status = 'running' AND g.oldest_wakeup < %(before)s
FOR NO KEY UPDATE OF g SKIP LOCKED;

-- name: reissue_tasks
-- Puts the stale wake-ups of one stage's queued tasks into the outbox again, the longest due first, and notes the oldest
-- that are left. A task with a row in the outbox is not given another; what that row's publication will not renew is left
-- to be looked at. What is not sent may be as much as the stage, so it is joined, one row a task, and not searched.
WITH unsent AS MATERIALIZED (
    SELECT name, max(attempt) AS attempt FROM coremachine.outbox
    WHERE run_key = %(run_key)s AND stage = %(stage)s AND wakes = 'task'
    GROUP BY name
), waiting AS MATERIALIZED (
    SELECT t.name, t.attempt, t.ordinal, coalesce(t.woken_at, g.woken_at) AS woken_at, t.grace,
        u.name IS NOT NULL AS unpublished, u.attempt IS NOT DISTINCT FROM t.attempt AS renewed
    FROM coremachine.stages g
    CROSS JOIN coremachine.tasks t
    LEFT JOIN unsent u ON u.name = t.name
    WHERE g.run_key = %(run_key)s AND g.number = %(stage)s
        AND t.run_key = %(run_key)s AND t.stage = %(stage)s AND t.status = 'queued'
        AND t.name NOT IN (SELECT name FROM coremachine.leases WHERE run_key = %(run_key)s AND stage = %(stage)s)
), stale AS MATERIALIZED (
    SELECT name, attempt, least(coalesce(grace * 2, '0') + %(window)s, %(max_grace)s) AS grace
    FROM waiting WHERE woken_at < %(before)s AND NOT unpublished
    ORDER BY woken_at, ordinal LIMIT %(limit)s
), left_over AS (
    UPDATE coremachine.stages SET oldest_wakeup = (
        SELECT min(woken_at) FROM waiting WHERE NOT renewed AND name NOT IN (SELECT name FROM stale)
    )
    WHERE run_key = %(run_key)s AND number = %(stage)s
)
INSERT INTO coremachine.outbox (run_key, wakes, stage, name, attempt, created_at, single, grace)
SELECT %(run_key)s, 'task', %(stage)s, name, attempt, %(now)s, true, grace FROM stale
RETURNING row_id;

-- name: outbox_rows
-- Rows of the outbox by number, with all that their messages are made of.
SELECT o.row_id, o.wakes, o.stage, o.name, o.attempt, o.not_before, r.job_id, r.run, r.job_type,
    g.task_type, g.task_queue, g.end_queue, g.end_message_id, g.end_message_type, g.end_body,
    r.wake_queue, r.wake_message_id, r.wake_message_type, r.wake_body,
    d.queue AS letter_queue, o.letter_message_id, d.message_type AS letter_message_type, d.body AS letter_body
FROM coremachine.outbox o
LEFT JOIN LATERAL (SELECT * FROM coremachine.runs WHERE run_key = o.run_key OFFSET 0) r ON true
LEFT JOIN LATERAL (SELECT * FROM coremachine.stages WHERE run_key = o.run_key AND number = o.stage OFFSET 0) g ON true
LEFT JOIN LATERAL (SELECT * FROM coremachine.dead_letters WHERE record_id = o.letter OFFSET 0) d ON true
WHERE o.row_id = ANY (%(row_ids)s)
ORDER BY o.row_id;

-- name: overdue_runs
-- Runs whose deadline has passed, the longest overdue first.
SELECT job_id, run, run_key FROM coremachine.runs
WHERE ended_at IS NULL AND deadline <= %(now)s
ORDER BY deadline, run_key
LIMIT %(limit)s;

-- name: attention
-- Whether a reconciler's pass would find anything, in one look. What is looked up is asked row by row, and not joined.
SELECT
    EXISTS (
        SELECT FROM coremachine.leases l
        WHERE l.expires_at <= %(now)s AND (
            SELECT g.task_type FROM coremachine.stages g WHERE g.run_key = l.run_key AND g.number = l.stage
        ) = ANY (%(task_types)s)
    ) AS expired_leases,
    EXISTS (
        SELECT FROM coremachine.outbox o
        WHERE o.created_at < %(unpublished_before)s AND (o.wakes = 'letter' OR (
            SELECT r.ended_at IS NULL AND NOT (o.wakes = 'task' AND r.paused)
            FROM coremachine.runs r WHERE r.run_key = o.run_key
        ))
    ) AS unpublished,
    EXISTS (
        SELECT FROM coremachine.runs r
        WHERE r.ended_at IS NULL AND CASE r.newest_stage
            WHEN 0 THEN r.woken_at < %(stale_before)s
            ELSE (
                SELECT CASE g.status
                    WHEN 'running' THEN NOT r.paused AND g.oldest_wakeup < %(stale_before)s
                    ELSE g.end_woken_at < %(stale_before)s
                END
                FROM coremachine.stages g WHERE g.run_key = r.run_key AND g.number = r.newest_stage
            )
        END
    ) AS stale_wakeups,
    EXISTS (
        SELECT FROM coremachine.runs WHERE ended_at IS NULL AND deadline <= %(now)s
    ) AS overdue;
