-- name: schema_exists
-- Whether there is the schema; asked first, since making it needs a right that an app's user may well lack.
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'coremachine');

-- name: create_schema
-- Everything of ours lies in it, so that the database can be shared.
CREATE SCHEMA coremachine;

-- name: bookkeeping_exists
-- Whether any migration was ever applied here. Asked of the table, since to_regclass answers from a cache that waiting
-- for the lock does not renew.
SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'coremachine' AND tablename = 'schema_migrations');

-- name: create_bookkeeping
-- What was applied, and the SHA-256 of the file as it was then.
CREATE TABLE coremachine.schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: applied
-- The applied migrations, the oldest first.
SELECT version, name, sha256 FROM coremachine.schema_migrations ORDER BY version;

-- name: record
-- Note a migration as applied, in the transaction that applies it.
INSERT INTO coremachine.schema_migrations (version, name, sha256) VALUES (%(version)s, %(name)s, %(sha256)s);

-- name: see_what_others_did
-- Each statement sees what was committed before it, also where the database's default is to see one moment only.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

-- name: be_patient
-- Whoever migrates at the same moment may take a while.
SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '600s', true),
    set_config('search_path', 'pg_catalog', true);

-- name: one_at_a_time
-- Wait for whoever migrates now, and keep others waiting until the end of the transaction. The number is ours alone.
SELECT pg_advisory_xact_lock(7305804385428139597);

-- name: give_way
-- A migration that waits for a table keeps everyone who comes after it waiting too, so it does not wait long.
SELECT set_config('lock_timeout', '15s', true);
