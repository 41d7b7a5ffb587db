-- The whole schema, as it stands after all migrations. To be read; databases are made by the migrations.
-- python -m tests.support.schema_file writes it, and a test holds it to what the migrations make.

CREATE SCHEMA coremachine;

CREATE FUNCTION coremachine.keep_portal_schemas() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.name, NEW.version, NEW.id, NEW.definition) = (OLD.name, OLD.version, OLD.id, OLD.definition)
            AND (NEW.status = OLD.status OR NEW.status = 'deprecated') THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a version of a portal schema only goes from active to deprecated: make another version'
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TABLE coremachine.attempts (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    attempt integer NOT NULL,
    token bigint NOT NULL,
    ended bigint NOT NULL,
    owner text NOT NULL COLLATE pg_catalog."C",
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    outcome text NOT NULL COLLATE pg_catalog."C",
    error_code text,
    error_message text,
    error_retryable boolean
)
WITH (autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_cost_delay='0');

CREATE TABLE coremachine.checkpoints (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    checkpoint_json text,
    progress_percent double precision,
    progress_message text DEFAULT ''::text NOT NULL,
    progress_at timestamp with time zone,
    progress_rate double precision
)
WITH (fillfactor='70');

CREATE TABLE coremachine.dead_letters (
    record_id bigint NOT NULL,
    queue text NOT NULL,
    message_id text NOT NULL,
    message_type text NOT NULL,
    body bytea NOT NULL,
    reason text NOT NULL,
    description text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    replays integer DEFAULT 0 NOT NULL,
    replayed_at timestamp with time zone,
    replayed_by text DEFAULT ''::text NOT NULL
);

ALTER TABLE coremachine.dead_letters ALTER COLUMN record_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME coremachine.dead_letters_record_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE coremachine.event_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE coremachine.events (
    run_key bigint NOT NULL,
    number bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    stage smallint,
    name text COLLATE pg_catalog."C",
    attempt integer,
    detail text DEFAULT ''::text NOT NULL,
    actor text DEFAULT ''::text NOT NULL
);

CREATE TABLE coremachine.jobs (
    job_id text NOT NULL COLLATE pg_catalog."C",
    tenant text NOT NULL,
    idempotency_key text,
    latest_run integer NOT NULL
);

CREATE TABLE coremachine.leases (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    attempt integer NOT NULL,
    token bigint NOT NULL,
    owner text NOT NULL COLLATE pg_catalog."C",
    started_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    progressed boolean DEFAULT false NOT NULL
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0');

CREATE TABLE coremachine.outbox (
    row_id bigint NOT NULL,
    run_key bigint,
    wakes text NOT NULL COLLATE pg_catalog."C",
    stage smallint,
    name text COLLATE pg_catalog."C",
    attempt integer,
    not_before timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    single boolean DEFAULT false NOT NULL,
    grace interval,
    letter bigint,
    letter_message_id text,
    CONSTRAINT outbox_wakes_check CHECK ((wakes = ANY (ARRAY['run'::text, 'stage'::text, 'task'::text, 'letter'::text])))
)
WITH (autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');

ALTER TABLE coremachine.outbox ALTER COLUMN row_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME coremachine.outbox_row_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE coremachine.portal_schemas (
    name text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    id uuid NOT NULL,
    status text NOT NULL,
    definition jsonb NOT NULL,
    CONSTRAINT portal_schemas_definition_check CHECK ((jsonb_typeof(definition) = 'object'::text)),
    CONSTRAINT portal_schemas_name_check CHECK ((name <> ''::text)),
    CONSTRAINT portal_schemas_status_check CHECK ((status = ANY (ARRAY['active'::text, 'deprecated'::text]))),
    CONSTRAINT portal_schemas_version_check CHECK ((version > 0))
);

CREATE TABLE coremachine.runs (
    run_key bigint NOT NULL,
    job_id text NOT NULL COLLATE pg_catalog."C",
    run integer NOT NULL,
    job_type text NOT NULL,
    tenant text NOT NULL,
    parameters_json text NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL COLLATE pg_catalog."C",
    paused boolean DEFAULT false NOT NULL,
    newest_stage smallint DEFAULT 0 NOT NULL,
    retries_used integer DEFAULT 0 NOT NULL,
    retry_budget integer,
    deadline timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    result_json text,
    error_code text,
    error_message text,
    error_retryable boolean,
    wake_queue text,
    wake_message_id text,
    wake_message_type text,
    wake_body bytea,
    woken_at timestamp with time zone,
    grace interval DEFAULT '00:00:00'::interval NOT NULL,
    CONSTRAINT runs_check CHECK (((ended_at IS NULL) = (status = ANY (ARRAY['queued'::text, 'processing'::text])))),
    CONSTRAINT runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'processing'::text, 'completed'::text, 'completed_with_errors'::text, 'failed'::text, 'cancelled'::text])))
)
WITH (fillfactor='70');

ALTER TABLE coremachine.runs ALTER COLUMN run_key ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME coremachine.runs_run_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE coremachine.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE coremachine.stage_shards (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    shard smallint NOT NULL,
    remaining integer NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    ended integer DEFAULT 0 NOT NULL,
    began_at timestamp with time zone,
    CONSTRAINT stage_shards_remaining_check CHECK ((remaining >= 0))
)
WITH (fillfactor='20');

CREATE TABLE coremachine.stages (
    run_key bigint NOT NULL,
    number smallint NOT NULL,
    name text NOT NULL,
    task_type text NOT NULL,
    failure_policy text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    total integer NOT NULL,
    open_shards smallint NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    task_queue text,
    woken_at timestamp with time zone,
    oldest_wakeup timestamp with time zone,
    end_queue text NOT NULL,
    end_message_id text NOT NULL,
    end_message_type text NOT NULL,
    end_body bytea NOT NULL,
    end_woken_at timestamp with time zone,
    end_grace interval DEFAULT '00:00:00'::interval NOT NULL,
    CONSTRAINT stages_failure_policy_check CHECK ((failure_policy = ANY (ARRAY['fail_fast'::text, 'tolerate'::text]))),
    CONSTRAINT stages_status_check CHECK ((status = ANY (ARRAY['running'::text, 'completed'::text, 'completed_with_errors'::text, 'failed'::text, 'cancelled'::text])))
)
WITH (fillfactor='50');

CREATE TABLE coremachine.tasks (
    run_key bigint NOT NULL,
    stage smallint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    ordinal integer NOT NULL,
    shard smallint NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    charged integer DEFAULT 0 NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL COLLATE pg_catalog."C",
    woken_at timestamp with time zone,
    grace interval,
    parameters_json text NOT NULL,
    result_json text,
    error_code text,
    error_message text,
    error_retryable boolean
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_cost_delay='0');

ALTER TABLE ONLY coremachine.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (run_key, stage, name, attempt);

ALTER TABLE ONLY coremachine.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (run_key, stage, name);

ALTER TABLE ONLY coremachine.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (record_id);

ALTER TABLE ONLY coremachine.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (run_key, number);

ALTER TABLE ONLY coremachine.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY coremachine.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (run_key, stage, name);

ALTER TABLE ONLY coremachine.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (row_id);

ALTER TABLE ONLY coremachine.portal_schemas
    ADD CONSTRAINT portal_schemas_id_key UNIQUE (id);

ALTER TABLE ONLY coremachine.portal_schemas
    ADD CONSTRAINT portal_schemas_pkey PRIMARY KEY (name, version);

ALTER TABLE ONLY coremachine.runs
    ADD CONSTRAINT runs_job_id_run_key UNIQUE (job_id, run);

ALTER TABLE ONLY coremachine.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (run_key);

ALTER TABLE ONLY coremachine.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY coremachine.stage_shards
    ADD CONSTRAINT stage_shards_pkey PRIMARY KEY (run_key, stage, shard);

ALTER TABLE ONLY coremachine.stages
    ADD CONSTRAINT stages_pkey PRIMARY KEY (run_key, number);

ALTER TABLE ONLY coremachine.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (run_key, stage, name);

CREATE UNIQUE INDEX dead_letters_known ON coremachine.dead_letters USING btree (queue, message_id, sha256(body));

CREATE INDEX dead_letters_recorded ON coremachine.dead_letters USING btree (recorded_at);

CREATE UNIQUE INDEX jobs_idempotency_key ON coremachine.jobs USING btree (tenant, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX runs_ended ON coremachine.runs USING btree (ended_at) WHERE (ended_at IS NOT NULL);

CREATE INDEX runs_listed ON coremachine.runs USING btree (created_at);

CREATE INDEX runs_open ON coremachine.runs USING btree (run_key) WHERE (ended_at IS NULL);

CREATE TRIGGER keep_all_portal_schemas BEFORE TRUNCATE ON coremachine.portal_schemas FOR EACH STATEMENT EXECUTE FUNCTION coremachine.keep_portal_schemas();

CREATE TRIGGER keep_portal_schemas BEFORE DELETE OR UPDATE ON coremachine.portal_schemas FOR EACH ROW EXECUTE FUNCTION coremachine.keep_portal_schemas();
