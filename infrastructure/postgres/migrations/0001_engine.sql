-- The engine's state. A run, a stage and a task are known by run_key, number and name inside, by their ids outside.
-- Rows that are written once or more a task are narrow and have one index; a task's row is changed when it ends.
-- Space is given back by vacuums that come early and do not pause, since rows come and go by the million.
-- The row of a task is the lock of the task: whatever claims it, ends its attempt or cancels it holds that row first.

-- Grows with every event; the fencing token of a lease is the number of the event that began it.
CREATE SEQUENCE coremachine.event_numbers AS bigint;

CREATE TABLE coremachine.jobs (
    job_id text COLLATE "C" PRIMARY KEY,
    tenant text NOT NULL,
    idempotency_key text,
    latest_run integer NOT NULL
);

CREATE UNIQUE INDEX jobs_idempotency_key ON coremachine.jobs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE coremachine.runs (
    run_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text COLLATE "C" NOT NULL,
    run integer NOT NULL,
    job_type text NOT NULL,
    tenant text NOT NULL,
    parameters_json text NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'processing', 'completed', 'completed_with_errors', 'failed', 'cancelled')),
    paused boolean NOT NULL DEFAULT false,
    newest_stage smallint NOT NULL DEFAULT 0,
    retries_used integer NOT NULL DEFAULT 0,
    retry_budget integer,
    deadline timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    result_json text,
    error_code text,
    error_message text,
    error_retryable boolean,
    -- the message that wakes the machine to open the first stage, and when it was last published
    wake_queue text,
    wake_message_id text,
    wake_message_type text,
    wake_body bytea,
    woken_at timestamptz,
    -- how much longer it is waited for, having been sent again
    grace interval NOT NULL DEFAULT '0',
    UNIQUE (job_id, run),
    CHECK ((ended_at IS NULL) = (status IN ('queued', 'processing')))
) WITH (fillfactor = 70);

CREATE INDEX runs_open ON coremachine.runs (run_key) WHERE ended_at IS NULL;
CREATE INDEX runs_ended ON coremachine.runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_listed ON coremachine.runs (created_at);

CREATE TABLE coremachine.stages (
    run_key bigint NOT NULL,
    number smallint NOT NULL,
    name text NOT NULL,
    task_type text NOT NULL,
    failure_policy text COLLATE "C" NOT NULL CHECK (failure_policy IN ('fail_fast', 'tolerate')),
    status text COLLATE "C" NOT NULL
        CHECK (status IN ('running', 'completed', 'completed_with_errors', 'failed', 'cancelled')),
    total integer NOT NULL,
    -- shards that have tasks left, and the failed tasks of those that have none
    open_shards smallint NOT NULL,
    failed integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL,
    task_queue text,
    -- when the last of the wake-ups of first attempts was published, and a time that no wake-up is older than
    woken_at timestamptz,
    oldest_wakeup timestamptz,
    -- the message that wakes the machine once the stage has ended, and when it was last published
    end_queue text NOT NULL,
    end_message_id text NOT NULL,
    end_message_type text NOT NULL,
    end_body bytea NOT NULL,
    end_woken_at timestamptz,
    end_grace interval NOT NULL DEFAULT '0',
    PRIMARY KEY (run_key, number)
) WITH (fillfactor = 50);

-- A stage's countdown, in up to 16 rows, so that no single row is waited for by everyone who ends a task.
CREATE TABLE coremachine.stage_shards (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    shard smallint NOT NULL,
    remaining integer NOT NULL CHECK (remaining >= 0),
    failed integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run_key, stage, shard)
) WITH (fillfactor = 20);

-- A queued task that has a lease is running.
CREATE TABLE coremachine.tasks (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    name text COLLATE "C" NOT NULL,
    ordinal integer NOT NULL,
    shard smallint NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    charged integer NOT NULL DEFAULT 0,
    status text COLLATE "C" NOT NULL DEFAULT 'queued',
    -- when its wake-up was published and due, where it has a time of its own, the stage's otherwise; and how much longer
    -- than others it is waited for, having been sent again, which that time contains
    woken_at timestamptz,
    grace interval,
    parameters_json text NOT NULL,
    result_json text,
    error_code text,
    error_message text,
    error_retryable boolean,
    PRIMARY KEY (run_key, stage, name)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0); -- half a page is room for the version in which it ends

CREATE TABLE coremachine.leases (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    name text COLLATE "C" NOT NULL,
    attempt integer NOT NULL,
    token bigint NOT NULL,
    owner text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    progressed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (run_key, stage, name)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0);

CREATE TABLE coremachine.checkpoints (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    name text COLLATE "C" NOT NULL,
    checkpoint_json text,
    progress_percent double precision,
    progress_message text NOT NULL DEFAULT '',
    PRIMARY KEY (run_key, stage, name)
) WITH (fillfactor = 70);

-- Tries that have ended; the one that runs is its lease. Only added to. A row is two events of the run's timeline.
CREATE TABLE coremachine.attempts (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    name text COLLATE "C" NOT NULL,
    attempt integer NOT NULL,
    -- the numbers of the events that began and ended it; it was never begun where the first is 0
    token bigint NOT NULL,
    ended bigint NOT NULL,
    owner text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    error_code text,
    error_message text,
    error_retryable boolean,
    PRIMARY KEY (run_key, stage, name, attempt)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- The timeline of runs and stages; that of attempts is in their own rows. Only added to.
CREATE TABLE coremachine.events (
    run_key bigint NOT NULL,
    number bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text COLLATE "C" NOT NULL,
    stage smallint,
    name text COLLATE "C",
    attempt integer,
    detail text NOT NULL DEFAULT '',
    actor text NOT NULL DEFAULT '',
    PRIMARY KEY (run_key, number)
);

-- Messages that are committed and not known to be published, by what they wake. Their bytes are made when they are
-- read, of the ids that they carry.
CREATE TABLE coremachine.outbox (
    row_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_key bigint,
    wakes text COLLATE "C" NOT NULL CHECK (wakes IN ('run', 'stage', 'task', 'letter')),
    stage smallint,
    name text COLLATE "C",
    attempt integer,
    not_before timestamptz,
    created_at timestamptz NOT NULL,
    -- its task has a wake-up time of its own once this is published
    single boolean NOT NULL DEFAULT false,
    -- what the task is given once this is published
    grace interval,
    letter bigint,
    letter_message_id text
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE coremachine.dead_letters (
    record_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    message_id text NOT NULL,
    message_type text NOT NULL,
    body bytea NOT NULL,
    reason text NOT NULL,
    description text NOT NULL,
    recorded_at timestamptz NOT NULL,
    replays integer NOT NULL DEFAULT 0,
    replayed_at timestamptz,
    replayed_by text NOT NULL DEFAULT '',
    UNIQUE (queue, message_id)
);

CREATE INDEX dead_letters_recorded ON coremachine.dead_letters (recorded_at);
