-- Statements of benchmarks.kill_worker, which looks at the tables past the store, so as not to believe it.

-- name: ended
-- How many of the jobs have ended.
SELECT count(*) FROM coremachine.runs WHERE ended_at IS NOT NULL AND job_id = ANY(%(jobs)s);

-- name: attempts
-- Every attempt at the tasks of a stage of the jobs, oldest first, those that run included.
SELECT r.job_id, a.name, a.attempt, a.started_at, a.outcome, coalesce(a.error_code, '')
FROM coremachine.attempts a JOIN coremachine.runs r USING (run_key)
WHERE r.job_id = ANY(%(jobs)s) AND a.stage = %(stage)s
ORDER BY r.job_id, a.name, a.attempt;

-- name: runs
-- How each job ended.
SELECT job_id, status, coalesce(error_code, '') FROM coremachine.runs WHERE job_id = ANY(%(jobs)s);
