-- Statements of benchmarks.stack, which looks at the tables past the store, so as not to believe it.

-- name: ended
-- How many runs have ended.
SELECT count(*) FROM coremachine.runs WHERE ended_at IS NOT NULL;

-- name: runs
-- Every run.
SELECT job_id, run, status, coalesce(error_code, '') FROM coremachine.runs ORDER BY job_id, run;

-- name: tasks
-- Every task, with how many of its attempts there were, and how many of them completed it.
SELECT r.job_id, t.name, t.status, count(a.attempt), count(a.attempt) FILTER (WHERE a.outcome = 'completed')
FROM coremachine.tasks t
JOIN coremachine.runs r USING (run_key)
LEFT JOIN coremachine.attempts a USING (run_key, stage, name)
GROUP BY r.job_id, r.run, t.stage, t.name, t.status
ORDER BY r.job_id, r.run, t.stage, t.name;

-- name: leftovers
-- What is to be nothing once every run has ended.
SELECT (SELECT count(*) FROM coremachine.leases) + (SELECT count(*) FROM coremachine.outbox);

-- name: open_runs
-- The runs that have not ended, with the newest stage of each and its tasks that have not ended.
SELECT r.job_id, r.status, r.newest_stage, r.woken_at, g.status, g.woken_at, t.name, t.status, t.attempt, l.expires_at,
    (SELECT count(*) FROM coremachine.outbox o WHERE o.run_key = r.run_key)
FROM coremachine.runs r
LEFT JOIN coremachine.stages g ON g.run_key = r.run_key AND g.number = r.newest_stage
LEFT JOIN coremachine.tasks t ON t.run_key = r.run_key AND t.stage = g.number AND t.status = 'queued'
LEFT JOIN coremachine.leases l ON l.run_key = t.run_key AND l.stage = t.stage AND l.name = t.name
WHERE r.ended_at IS NULL ORDER BY r.run_key LIMIT 12;
