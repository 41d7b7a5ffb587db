-- name: open_stage
-- Opens a run's next stage: its row, its countdown, its tasks and their outbox rows. Texts come as one text each, split
-- at a separator that none of them holds: an array of ten thousand costs five times more to send. Of two that open the
-- same stage the second waits for the run's row and then finds another newest stage on it.
WITH opened AS (
    UPDATE coremachine.runs r
    SET status = 'processing', newest_stage = %(number)s, updated_at = greatest(r.updated_at, %(now)s)
    WHERE r.run_key = %(run_key)s AND r.ended_at IS NULL AND r.newest_stage = %(number)s - 1
        AND (%(number)s = 1 OR (
            SELECT g.status FROM coremachine.stages g WHERE g.run_key = r.run_key AND g.number = %(number)s - 1
        ) <> 'running')
    RETURNING r.run_key, r.paused
), stage AS (
    INSERT INTO coremachine.stages (
        run_key, number, name, task_type, failure_policy, status, total, open_shards, updated_at, task_queue,
        end_queue, end_message_id, end_message_type, end_body
    )
    SELECT run_key, %(number)s, %(name)s, %(task_type)s, %(failure_policy)s,
        CASE %(total)s WHEN 0 THEN 'completed' ELSE 'running' END, %(total)s, %(shards)s, %(now)s, %(task_queue)s,
        %(end_queue)s, %(end_message_id)s, %(end_message_type)s, %(end_body)s
    FROM opened
), countdown AS (
    INSERT INTO coremachine.stage_shards (run_key, stage, shard, remaining)
    SELECT run_key, %(number)s, shard, (%(total)s - shard + %(shards)s - 1) / %(shards)s
    FROM opened, generate_series(0, %(shards)s - 1) AS shard
), created AS (
    INSERT INTO coremachine.tasks (run_key, stage, name, ordinal, shard, parameters_json)
    SELECT o.run_key, %(number)s, t.name, t.ordinal, (t.ordinal - 1) %% %(shards)s, t.parameters_json
    FROM opened o, unnest(string_to_array(%(names)s, %(sep)s), string_to_array(%(parameters)s, %(sep)s))
        WITH ORDINALITY AS t (name, parameters_json, ordinal)
), events AS (
    INSERT INTO coremachine.events (run_key, number, at, kind, stage, detail)
    SELECT run_key, nextval('coremachine.event_numbers'), %(now)s, kind, %(number)s, detail
    FROM opened, (
        SELECT 1 AS place, 'stage_started' AS kind, '' AS detail
        UNION ALL
        SELECT 2, 'stage_ended', 'completed' WHERE %(total)s = 0
        ORDER BY place
    ) told
), sent AS (
    INSERT INTO coremachine.outbox (run_key, wakes, stage, name, attempt, created_at)
    SELECT o.run_key, 'task', %(number)s, t.name, 1, %(now)s
    FROM opened o, unnest(string_to_array(%(names)s, %(sep)s)) WITH ORDINALITY AS t (name, ordinal)
    ORDER BY t.ordinal
    RETURNING row_id
), sent_end AS (
    INSERT INTO coremachine.outbox (run_key, wakes, stage, created_at)
    SELECT run_key, 'stage', %(number)s, %(now)s FROM opened WHERE %(total)s = 0
    RETURNING row_id
)
SELECT o.paused,
    (SELECT array_agg(row_id ORDER BY row_id) FROM sent) AS task_rows,
    (SELECT row_id FROM sent_end) AS end_row
FROM opened o;

-- name: stage_results
-- What the tasks of a stage came to, in the order in which they were created.
SELECT t.name,
    CASE WHEN t.status = 'queued' AND (
        SELECT l.token FROM coremachine.leases l
        WHERE l.run_key = t.run_key AND l.stage = t.stage AND l.name = t.name
    ) IS NOT NULL THEN 'running' ELSE t.status END AS status,
    t.result_json, t.error_code, t.error_message, t.error_retryable
FROM coremachine.tasks t
WHERE t.run_key = %(run_key)s AND t.stage = %(stage)s
ORDER BY t.ordinal;
