-- Statements of benchmarks.postgres. The baseline is the completion that people write by hand: a lock on the stage, so
-- that only one counts at a time, and a count of what is left.

-- name: drop_tables
-- What an earlier turn left.
DROP TABLE IF EXISTS tasks, messages;

-- name: create_tasks
-- The baseline's tasks.
CREATE TABLE tasks (
    task_id bigint PRIMARY KEY,
    job_id text NOT NULL,
    stage integer NOT NULL,
    status text NOT NULL DEFAULT 'processing',
    result jsonb,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- name: create_tasks_index
-- What the count reads.
CREATE INDEX tasks_of_stage ON tasks (job_id, stage, status);

-- name: create_messages
-- Where the advance of a stage goes.
CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job_id text NOT NULL, stage integer NOT NULL);

-- name: add_tasks
-- A stage of tasks that are being processed.
INSERT INTO tasks (task_id, job_id, stage) SELECT generate_series(0, %(tasks)s - 1), %(job_id)s, %(stage)s;

-- name: analyze_tasks
-- So that the plans are those of a table in use.
ANALYZE tasks;

-- name: lock_stage
-- Held to the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext(%(job_id)s), %(stage)s);

-- name: complete_task
-- Ends a task with its result, once.
UPDATE tasks SET status = 'completed', result = %(result)s, updated_at = now()
WHERE task_id = %(task_id)s AND status = 'processing';

-- name: count_open
-- The tasks of the stage that have not ended.
SELECT count(*) FROM tasks WHERE job_id = %(job_id)s AND stage = %(stage)s AND status IN ('queued', 'processing');

-- name: advance
-- Tells that the stage has ended.
INSERT INTO messages (job_id, stage) VALUES (%(job_id)s, %(stage)s);

-- name: count_advances
-- How often the stage was told to have ended.
SELECT count(*) FROM messages WHERE job_id = %(job_id)s AND stage = %(stage)s;

-- name: may_write
-- Whether the server refuses writes, and whether this user may create databases.
SELECT current_setting('transaction_read_only')::boolean, rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user;

-- name: settings
-- The server's settings that the numbers depend on.
SELECT name, current_setting(name) FROM unnest(ARRAY[
    'server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'shared_buffers',
    'max_connections', 'max_wal_size', 'autovacuum', 'autovacuum_naptime'
]) AS name;

-- name: is_counting
-- Whether the server counts statements.
SELECT 'pg_stat_statements' = ANY (string_to_array(replace(current_setting('shared_preload_libraries'), ' ', ''), ','));

-- name: create_counter
-- The view of the counted statements.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

-- name: count_statements
-- The statements that a database was sent so far, those that begin and end transactions among them.
SELECT coalesce(sum(s.calls), 0)::bigint
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = %(database)s;

-- name: table_sizes
-- Bytes of each table with rows or pages, and of its indexes, the largest first.
SELECT c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_total_relation_size(c.oid) > 0
ORDER BY pg_total_relation_size(c.oid) DESC, c.relname;

-- name: size_now
-- Bytes of our tables and indexes, how often the server vacuumed one by itself, and how many tasks there are.
SELECT
    (SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables WHERE schemaname = 'coremachine'),
    (SELECT sum(autovacuum_count)::bigint FROM pg_stat_user_tables WHERE schemaname = 'coremachine'),
    (SELECT count(*) FROM coremachine.tasks);
