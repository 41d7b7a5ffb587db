-- name: pause_run
-- Pauses a run that goes on and is not paused.
WITH paused AS (
    UPDATE coremachine.runs SET paused = true, updated_at = greatest(updated_at, %(now)s)
    WHERE run_key = %(run_key)s AND ended_at IS NULL AND NOT paused
    RETURNING run_key
)
INSERT INTO coremachine.events (run_key, number, at, kind, actor)
SELECT run_key, nextval('coremachine.event_numbers'), %(now)s, 'job_paused', %(actor)s FROM paused
RETURNING run_key;

-- name: resume_run
-- Ends the pause of a run.
WITH resumed AS (
    UPDATE coremachine.runs SET paused = false, updated_at = greatest(updated_at, %(now)s)
    WHERE run_key = %(run_key)s AND ended_at IS NULL AND paused
    RETURNING run_key
)
INSERT INTO coremachine.events (run_key, number, at, kind, actor)
SELECT run_key, nextval('coremachine.event_numbers'), %(now)s, 'job_resumed', %(actor)s FROM resumed
RETURNING run_key;

-- name: task_rows_of_run
-- The oldest outbox rows that wake tasks of a run.
SELECT row_id FROM coremachine.outbox WHERE run_key = %(run_key)s AND wakes = 'task' ORDER BY row_id LIMIT %(limit)s;

-- name: lock_job
-- Holds a job, as everyone does who makes or deletes one of its runs.
SELECT latest_run FROM coremachine.jobs WHERE job_id = %(job_id)s FOR NO KEY UPDATE;

-- name: source_run
-- A run that another one may go on from.
SELECT run_key, newest_stage, ended_at IS NOT NULL AS ended
FROM coremachine.runs WHERE job_id = %(job_id)s AND run = %(run)s;

-- name: create_run
-- Another run of a job, with the content of the one before.
WITH next AS (
    UPDATE coremachine.jobs SET latest_run = %(run)s WHERE job_id = %(job_id)s
), created AS (
    INSERT INTO coremachine.runs (
        job_id, run, job_type, tenant, parameters_json, status, newest_stage, retry_budget, deadline, created_at,
        updated_at, wake_queue, wake_message_id, wake_message_type, wake_body
    )
    SELECT job_id, %(run)s, job_type, tenant, parameters_json, %(status)s, %(newest_stage)s, retry_budget, %(deadline)s,
        %(now)s, %(now)s, %(queue)s, %(message_id)s, %(message_type)s, %(body)s
    FROM coremachine.runs WHERE run_key = %(source)s
    RETURNING run_key
), event AS (
    INSERT INTO coremachine.events (run_key, number, at, kind, actor)
    SELECT run_key, nextval('coremachine.event_numbers'), %(now)s, 'job_resubmitted', %(actor)s FROM created
)
SELECT run_key FROM created;

-- name: copy_stages
-- Copies the first stages of a run with their countdowns and tasks, as they ended. How many of the tasks are missing:
-- those that retention has deleted already.
WITH stages AS (
    INSERT INTO coremachine.stages (
        run_key, number, name, task_type, failure_policy, status, total, open_shards, failed, updated_at, task_queue,
        end_queue, end_message_id, end_message_type, end_body
    )
    SELECT %(run_key)s, number, name, task_type, failure_policy, status, total, 0, failed, %(now)s, task_queue,
        end_queue, end_message_id, end_message_type, end_body
    FROM coremachine.stages WHERE run_key = %(source)s AND number <= %(stages)s
    RETURNING total
), shards AS (
    INSERT INTO coremachine.stage_shards (run_key, stage, shard, remaining, failed)
    SELECT %(run_key)s, stage, shard, 0, failed
    FROM coremachine.stage_shards WHERE run_key = %(source)s AND stage <= %(stages)s
), checkpoints AS (
    INSERT INTO coremachine.checkpoints
        (run_key, stage, name, checkpoint_json, progress_percent, progress_message, progress_at, progress_rate)
    SELECT %(run_key)s, stage, name, checkpoint_json, progress_percent, progress_message, progress_at, progress_rate
    FROM coremachine.checkpoints WHERE run_key = %(source)s AND stage <= %(stages)s
), tasks AS (
    INSERT INTO coremachine.tasks (
        run_key, stage, name, ordinal, shard, attempt, charged, status, parameters_json, result_json,
        error_code, error_message, error_retryable
    )
    SELECT %(run_key)s, stage, name, ordinal, shard, attempt, charged, status, parameters_json, result_json,
        error_code, error_message, error_retryable
    FROM coremachine.tasks WHERE run_key = %(source)s AND stage <= %(stages)s
    RETURNING 1
)
SELECT (SELECT coalesce(sum(total), 0) FROM stages) - (SELECT count(*) FROM tasks) AS missing;

-- name: point_stage_end
-- Gives a copied stage the message that wakes the new run.
UPDATE coremachine.stages
SET end_queue = %(queue)s, end_message_id = %(message_id)s, end_message_type = %(message_type)s, end_body = %(body)s
WHERE run_key = %(run_key)s AND number = %(stage)s;

-- name: wake_run
-- The outbox row of a run's or a stage's message.
INSERT INTO coremachine.outbox (run_key, wakes, stage, created_at)
VALUES (%(run_key)s, %(wakes)s, %(stage)s, %(now)s)
RETURNING row_id;

-- name: replay_stage
-- Copies a stage, its tasks as they ended but those that are to be done again, which are queued anew. The outbox rows of
-- those that the stage had, and how many of its tasks are missing.
WITH again AS MATERIALIZED (
    SELECT name, parameters_json, place FROM unnest(
        string_to_array(%(names)s, %(sep)s), string_to_array(%(parameters)s, %(sep)s)
    ) WITH ORDINALITY AS a (name, parameters_json, place)
), copied AS (
    INSERT INTO coremachine.tasks (
        run_key, stage, name, ordinal, shard, attempt, charged, status, parameters_json, result_json,
        error_code, error_message, error_retryable
    )
    SELECT %(run_key)s, t.stage, t.name, t.ordinal, t.shard,
        CASE WHEN a.name IS NULL THEN t.attempt ELSE 1 END, CASE WHEN a.name IS NULL THEN t.charged ELSE 0 END,
        CASE WHEN a.name IS NULL THEN t.status ELSE 'queued' END, coalesce(a.parameters_json, t.parameters_json),
        CASE WHEN a.name IS NULL THEN t.result_json END, CASE WHEN a.name IS NULL THEN t.error_code END,
        CASE WHEN a.name IS NULL THEN t.error_message END, CASE WHEN a.name IS NULL THEN t.error_retryable END
    FROM coremachine.tasks t LEFT JOIN again a ON a.name = t.name
    WHERE t.run_key = %(source)s AND t.stage = %(stage)s
    RETURNING shard, name, status
), shards AS (
    INSERT INTO coremachine.stage_shards (run_key, stage, shard, remaining, failed)
    SELECT %(run_key)s, %(stage)s, shard, (count(*) FILTER (WHERE status = 'queued'))::integer,
        (count(*) FILTER (WHERE status = 'failed'))::integer
    FROM copied GROUP BY shard
    RETURNING remaining, failed
), stage AS (
    INSERT INTO coremachine.stages (
        run_key, number, name, task_type, failure_policy, status, total, open_shards, failed, updated_at, task_queue,
        end_queue, end_message_id, end_message_type, end_body
    )
    SELECT %(run_key)s, number, name, task_type, failure_policy, 'running', total,
        (SELECT count(*) FILTER (WHERE remaining > 0) FROM shards),
        (SELECT coalesce(sum(failed) FILTER (WHERE remaining = 0), 0) FROM shards),
        %(now)s, %(task_queue)s, %(end_queue)s, %(end_message_id)s, %(end_message_type)s, %(end_body)s
    FROM coremachine.stages WHERE run_key = %(source)s AND number = %(stage)s
    RETURNING total
), checkpoints AS (
    INSERT INTO coremachine.checkpoints
        (run_key, stage, name, checkpoint_json, progress_percent, progress_message, progress_at, progress_rate)
    SELECT %(run_key)s, c.stage, c.name, c.checkpoint_json, c.progress_percent, c.progress_message, c.progress_at,
        c.progress_rate
    FROM coremachine.checkpoints c
    WHERE c.run_key = %(source)s AND c.stage = %(stage)s AND NOT EXISTS (SELECT FROM again a WHERE a.name = c.name)
), events AS (
    INSERT INTO coremachine.events (run_key, number, at, kind, stage, name, actor)
    SELECT %(run_key)s, nextval('coremachine.event_numbers'), %(now)s, kind, %(stage)s, name, actor
    FROM (
        SELECT 0 AS place, 'stage_started' AS kind, NULL AS name, '' AS actor
        UNION ALL
        SELECT a.place, 'parameters_edited', a.name, %(actor)s
        FROM again a JOIN coremachine.tasks t
            ON t.run_key = %(source)s AND t.stage = %(stage)s AND t.name = a.name
        WHERE t.parameters_json <> a.parameters_json
        ORDER BY place
    ) told
), sent AS (
    INSERT INTO coremachine.outbox (run_key, wakes, stage, name, attempt, created_at)
    SELECT %(run_key)s, 'task', %(stage)s, a.name, 1, %(now)s
    FROM again a JOIN copied c ON c.name = a.name ORDER BY a.place
    RETURNING row_id
)
SELECT array_agg(row_id ORDER BY row_id) AS task_rows,
    (SELECT total FROM stage) - (SELECT count(*) FROM copied) AS missing
FROM sent;

-- name: list_runs
-- A page of runs, newest first. What bounds created_at is there for the index, which an alternative would hide.
SELECT r.job_id, r.run, r.job_type, r.tenant, r.status, r.paused, r.created_at,
    greatest(r.updated_at, (SELECT max(g.updated_at) FROM coremachine.stages g WHERE g.run_key = r.run_key)) AS updated_at,
    r.error_code, r.error_message, r.error_retryable
FROM coremachine.runs r
WHERE (%(job_type)s::text IS NULL OR r.job_type = %(job_type)s)
    AND (%(tenant)s::text IS NULL OR r.tenant = %(tenant)s)
    AND (%(statuses)s::text[] IS NULL OR r.status = ANY (%(statuses)s))
    AND (%(paused)s::boolean IS NULL OR r.paused = %(paused)s)
    AND r.created_at >= coalesce(%(created_from)s::timestamptz, '-infinity')
    AND r.created_at < coalesce(%(created_before)s::timestamptz, 'infinity')
    AND r.created_at <= coalesce(%(after_at)s::timestamptz, 'infinity')
    AND (
        %(after_at)s::timestamptz IS NULL
        OR (r.created_at, r.job_id, r.run) < (%(after_at)s, %(after_job)s::text, %(after_run)s::bigint)
    )
ORDER BY r.created_at DESC, r.job_id DESC, r.run DESC
LIMIT %(limit)s;

-- name: list_tasks
-- A page of a run's tasks, by stage and name.
SELECT t.name, g.task_type,
    CASE WHEN t.status = 'queued' AND l.token IS NOT NULL THEN 'running' ELSE t.status END AS status,
    t.stage, t.attempt, t.charged, t.parameters_json, t.result_json, t.error_code, t.error_message, t.error_retryable,
    c.checkpoint_json, c.progress_percent, coalesce(c.progress_message, '') AS progress_message, c.progress_at,
    c.progress_rate
FROM coremachine.tasks t
JOIN coremachine.stages g ON g.run_key = t.run_key AND g.number = t.stage
LEFT JOIN LATERAL (
    SELECT token FROM coremachine.leases WHERE run_key = t.run_key AND stage = t.stage AND name = t.name OFFSET 0
) l ON true
LEFT JOIN LATERAL (
    SELECT checkpoint_json, progress_percent, progress_message, progress_at, progress_rate FROM coremachine.checkpoints
    WHERE run_key = t.run_key AND stage = t.stage AND name = t.name OFFSET 0
) c ON true
WHERE t.run_key = %(run_key)s
    AND t.stage >= coalesce(%(stage)s::bigint, 0) AND t.stage <= coalesce(%(stage)s::bigint, 32767)
    AND (
        %(statuses)s::text[] IS NULL
        OR CASE WHEN t.status = 'queued' AND l.token IS NOT NULL THEN 'running' ELSE t.status END = ANY (%(statuses)s)
    )
    AND (t.stage, t.name) > (coalesce(%(after_stage)s::integer, -1), coalesce(%(after_name)s::text, '') COLLATE "C")
ORDER BY t.stage, t.name
LIMIT %(limit)s;

-- name: stage_activity
-- How many attempts ended a task of a stage, when the first of them began, and the attempts that run, the first by name,
-- each with its progress. That of an earlier attempt counts where it left a checkpoint to go on from.
SELECT s.began_at, s.ended, l.name, l.attempt, l.started_at, c.progress_percent,
    coalesce(c.progress_message, '') AS progress_message, c.progress_at, c.progress_rate
FROM (
    SELECT min(began_at) AS began_at, coalesce(sum(ended), 0)::integer AS ended
    FROM coremachine.stage_shards WHERE run_key = %(run_key)s AND stage = %(stage)s
) s
LEFT JOIN (
    SELECT run_key, stage, name, attempt, started_at FROM coremachine.leases
    WHERE run_key = %(run_key)s AND stage = %(stage)s
    ORDER BY run_key, stage, name
    LIMIT %(limit)s
) l ON true
LEFT JOIN LATERAL (
    SELECT progress_percent, progress_message, progress_at, progress_rate FROM coremachine.checkpoints
    WHERE run_key = l.run_key AND stage = l.stage AND name = l.name
        AND (checkpoint_json IS NOT NULL OR progress_at >= l.started_at)
    OFFSET 0
) c ON true
ORDER BY l.name;

-- name: list_events
-- A page of a run's timeline: its own events, and the begins and ends of its attempts.
SELECT number, at, kind, stage, name, attempt, detail, actor FROM (
    SELECT number, at, kind, stage, name, attempt, detail, actor
    FROM coremachine.events WHERE run_key = %(run_key)s AND number > %(after)s
    UNION ALL
    SELECT token, started_at, 'task_started', stage, name, attempt, '', ''
    FROM coremachine.attempts WHERE run_key = %(run_key)s AND token > greatest(%(after)s, 0)
    UNION ALL
    SELECT token, started_at, 'task_started', stage, name, attempt, '', ''
    FROM coremachine.leases WHERE run_key = %(run_key)s AND token > %(after)s
    UNION ALL
    SELECT ended, ended_at,
        CASE outcome
            WHEN 'completed' THEN 'task_completed'
            WHEN 'failed' THEN 'task_failed'
            WHEN 'parked' THEN 'task_parked'
            ELSE 'task_requeued'
        END,
        stage, name, attempt,
        coalesce(error_code, CASE WHEN outcome IN ('completed', 'failed', 'parked') THEN '' ELSE outcome END), ''
    FROM coremachine.attempts WHERE run_key = %(run_key)s AND ended > %(after)s AND outcome <> 'cancelled'
) told
ORDER BY number
LIMIT %(limit)s;

-- name: record_dead_letters
-- Writes dead letters down, each once. They are numbered in the order given, and inserted in that of their keys, so that
-- two who write the same ones wait for each other in one order.
WITH given AS MATERIALIZED (
    SELECT l.*, nextval('coremachine.dead_letters_record_id_seq') AS record_id
    FROM (
        SELECT * FROM unnest(
            %(queues)s::text[], %(message_ids)s::text[], %(message_types)s::text[], %(bodies)s::bytea[],
            %(reasons)s::text[], %(descriptions)s::text[]
        ) WITH ORDINALITY AS g (queue, message_id, message_type, body, reason, description, place)
        ORDER BY place
    ) l
)
INSERT INTO coremachine.dead_letters
    (record_id, queue, message_id, message_type, body, reason, description, recorded_at)
OVERRIDING SYSTEM VALUE
SELECT record_id, queue, message_id, message_type, body, reason, description, %(now)s
FROM given ORDER BY queue, message_id, sha256(body), record_id
ON CONFLICT (queue, message_id, sha256(body)) DO NOTHING;

-- name: list_dead_letters
-- A page of dead letters, oldest first.
SELECT record_id, queue, message_id, message_type, body, reason, description, recorded_at, replays, replayed_at,
    replayed_by
FROM coremachine.dead_letters WHERE record_id > %(after)s ORDER BY record_id LIMIT %(limit)s;

-- name: replay_dead_letter
-- Sends a dead letter's message again under a new id, unless somebody was faster.
WITH replayed AS (
    UPDATE coremachine.dead_letters
    SET replays = replays + 1, replayed_at = %(now)s, replayed_by = %(actor)s
    WHERE record_id = %(record_id)s AND replays = %(replays)s
    RETURNING record_id
)
INSERT INTO coremachine.outbox (wakes, letter, letter_message_id, created_at)
SELECT 'letter', record_id, %(message_id)s, %(now)s FROM replayed
RETURNING row_id;

-- name: hold_old_letters
-- Holds old dead letters, the longest ago written first, but those that are in the outbox. What somebody sends again at
-- this moment is left.
SELECT record_id FROM coremachine.dead_letters
WHERE recorded_at < %(before)s AND (replayed_at IS NULL OR replayed_at < %(before)s)
    AND record_id NOT IN (SELECT letter FROM coremachine.outbox WHERE letter IS NOT NULL)
ORDER BY recorded_at, record_id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED;

-- name: delete_letters
-- Deletes dead letters that are held. The outbox is asked again: it may have got one before that was held.
DELETE FROM coremachine.dead_letters
WHERE record_id = ANY (%(record_ids)s)
    AND record_id NOT IN (SELECT letter FROM coremachine.outbox WHERE letter IS NOT NULL);

-- name: ended_runs
-- Runs that ended before a time, the longest ended first.
SELECT job_id, run FROM coremachine.runs
WHERE ended_at < %(before)s
ORDER BY ended_at, run_key
LIMIT %(limit)s;

-- name: lock_run_to_delete
-- Holds a run, and says whether it may go: it has ended, and no other run of its job would be left behind it.
SELECT r.run_key, r.ended_at IS NOT NULL AND NOT (r.run = %(latest)s AND EXISTS (
    SELECT FROM coremachine.runs o WHERE o.job_id = r.job_id AND o.run <> r.run
)) AS may_go
FROM coremachine.runs r
WHERE r.job_id = %(job_id)s AND r.run = %(run)s
FOR UPDATE OF r;

-- name: delete_tasks
-- Deletes some tasks of a run with their attempts and checkpoints.
WITH doomed AS MATERIALIZED (
    SELECT run_key, stage, name FROM coremachine.tasks WHERE run_key = %(run_key)s
    ORDER BY run_key, stage, name LIMIT %(limit)s
    FOR UPDATE
), attempts AS (
    DELETE FROM coremachine.attempts a USING doomed s
    WHERE a.run_key = ANY (ARRAY[s.run_key]) AND a.stage = s.stage AND a.name = s.name
), checkpoints AS (
    DELETE FROM coremachine.checkpoints c USING doomed s
    WHERE c.run_key = ANY (ARRAY[s.run_key]) AND c.stage = s.stage AND c.name = s.name
)
DELETE FROM coremachine.tasks t USING doomed s
WHERE t.run_key = ANY (ARRAY[s.run_key]) AND t.stage = s.stage AND t.name = s.name;

-- name: delete_stages
-- Deletes the stages of a run that has no tasks left.
WITH shards AS (
    DELETE FROM coremachine.stage_shards WHERE run_key = %(run_key)s RETURNING 1
)
DELETE FROM coremachine.stages WHERE run_key = %(run_key)s AND (SELECT count(*) FROM shards) >= 0;

-- name: delete_run
-- Deletes a run that has no stages left, with its timeline and its messages.
WITH events AS (
    DELETE FROM coremachine.events WHERE run_key = %(run_key)s
), unsent AS MATERIALIZED (
    SELECT row_id FROM coremachine.outbox WHERE run_key = %(run_key)s ORDER BY row_id FOR UPDATE
), dropped AS (
    DELETE FROM coremachine.outbox WHERE row_id = ANY (ARRAY(SELECT row_id FROM unsent))
)
DELETE FROM coremachine.runs WHERE run_key = %(run_key)s;

-- name: delete_job
-- Deletes a job that has no runs left.
DELETE FROM coremachine.jobs j
WHERE j.job_id = %(job_id)s AND NOT EXISTS (SELECT FROM coremachine.runs r WHERE r.job_id = j.job_id);
