-- Statements of benchmarks.chaos, which looks at the tables past the store, so as not to believe it.

-- name: last_number
-- Grows with each claim and each end of a task.
SELECT last_value FROM coremachine.event_numbers;

-- name: newly_ended
-- The runs that have ended, of these jobs.
SELECT run_key, job_id FROM coremachine.runs WHERE ended_at IS NOT NULL AND job_id = ANY (%(job_ids)s);

-- name: fingerprints
-- All that an ended run has come to, as one hash a run: nothing of it may change any more. When messages were published
-- is left out.
SELECT r.run_key, md5(concat_ws('|',
    r.status, r.result_json, r.error_code, r.ended_at, r.updated_at, r.newest_stage, r.retries_used,
    (SELECT string_agg(concat_ws(',', number, status, total, open_shards, failed), '/' ORDER BY number)
        FROM coremachine.stages WHERE run_key = r.run_key),
    (SELECT string_agg(concat_ws(',', stage, shard, remaining, failed), '/' ORDER BY stage, shard)
        FROM coremachine.stage_shards WHERE run_key = r.run_key),
    (SELECT string_agg(concat_ws(',', stage, name, status, attempt, charged, result_json, error_code), '/'
        ORDER BY stage, name) FROM coremachine.tasks WHERE run_key = r.run_key),
    (SELECT string_agg(concat_ws(',', stage, name, attempt, token, ended, owner, outcome, error_code), '/'
        ORDER BY stage, name, attempt) FROM coremachine.attempts WHERE run_key = r.run_key),
    (SELECT string_agg(concat_ws(',', number, kind, stage, detail), '/' ORDER BY number)
        FROM coremachine.events WHERE run_key = r.run_key)
))
FROM coremachine.runs r WHERE r.run_key = ANY (%(run_keys)s);

-- name: leftovers
-- What is to be nothing once every run has ended.
SELECT
    (SELECT count(*) FROM coremachine.runs WHERE ended_at IS NULL) AS runs,
    (SELECT count(*) FROM coremachine.leases) AS leases,
    (SELECT count(*) FROM coremachine.outbox) AS outbox;

-- name: open_runs
-- The runs that have not ended, with the stage they are in.
SELECT r.job_id, r.job_type, r.status, g.number, g.status, g.total,
    (SELECT sum(remaining) FROM coremachine.stage_shards s WHERE s.run_key = r.run_key AND s.stage = g.number),
    r.woken_at, g.woken_at, g.oldest_wakeup, g.end_woken_at
FROM coremachine.runs r LEFT JOIN coremachine.stages g ON g.run_key = r.run_key AND g.number = r.newest_stage
WHERE r.ended_at IS NULL ORDER BY r.run_key LIMIT 10;

-- name: open_tasks
-- Tasks that have not ended, of running stages.
SELECT t.run_key, t.stage, t.name, t.attempt, t.charged, t.woken_at, l.attempt, l.token, l.expires_at
FROM coremachine.tasks t LEFT JOIN coremachine.leases l USING (run_key, stage, name)
WHERE t.status = 'queued' ORDER BY t.run_key, t.stage, t.name LIMIT 20;

-- name: outbox
-- Messages that were not published.
SELECT row_id, run_key, wakes, stage, name, attempt, not_before, created_at FROM coremachine.outbox
ORDER BY row_id LIMIT 20;

-- name: runs
-- Every run.
SELECT run_key, job_id, run, status, result_json, error_code, ended_at IS NOT NULL FROM coremachine.runs;

-- name: stages
-- Every stage, with what its countdown has left.
SELECT g.run_key, g.number, g.status, g.total, coalesce(sum(s.failed), 0)::integer,
    coalesce(sum(s.remaining), 0)::integer
FROM coremachine.stages g LEFT JOIN coremachine.stage_shards s ON s.run_key = g.run_key AND s.stage = g.number
GROUP BY g.run_key, g.number;

-- name: tasks
-- Every task.
SELECT run_key, stage, name, status, attempt, parameters_json, result_json FROM coremachine.tasks;

-- name: attempts
-- Every attempt, in order.
SELECT run_key, stage, name, attempt, token, ended, outcome FROM coremachine.attempts
ORDER BY run_key, stage, name, attempt;

-- name: events
-- Every event, in order.
SELECT run_key, number, kind, stage FROM coremachine.events ORDER BY run_key, number;
