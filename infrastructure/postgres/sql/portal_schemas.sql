-- name: get_schema
-- A version of a schema.
SELECT id, name, version, status, definition::text AS definition
FROM coremachine.portal_schemas WHERE name = %(name)s AND version = %(version)s;

-- name: latest_schema
-- The newest active version of a schema.
SELECT id, name, version, status, definition::text AS definition
FROM coremachine.portal_schemas WHERE name = %(name)s AND status = 'active'
ORDER BY version DESC LIMIT 1;

-- name: list_schemas
-- Versions after one, by name and version.
SELECT id, name, version, status, definition::text AS definition
FROM coremachine.portal_schemas
WHERE (name, version) > (%(name)s, %(version)s) AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY name, version LIMIT %(limit)s;

-- name: hold_schema
-- Holds a name, which may have no row yet, until the transaction ends: one version is made at a time.
SELECT pg_advisory_xact_lock(hashtextextended('coremachine.portal_schemas:' || %(name)s, 0));

-- name: newest_version
-- The newest version of a schema, active or not; 0 without one.
SELECT coalesce(max(version), 0) AS version FROM coremachine.portal_schemas WHERE name = %(name)s;

-- name: create_schema
-- Writes a version down.
INSERT INTO coremachine.portal_schemas (id, name, version, status, definition)
VALUES (%(id)s, %(name)s, %(version)s, 'active', %(definition)s::jsonb);

-- name: deprecate_schemas
-- Deprecates a version of a schema, or all; those that are it as they are then, changed or not.
WITH deprecated AS (
    UPDATE coremachine.portal_schemas SET status = 'deprecated'
    WHERE name = %(name)s AND (%(version)s::integer IS NULL OR version = %(version)s) AND status = 'active'
)
SELECT id, name, version, 'deprecated' AS status, definition::text AS definition
FROM coremachine.portal_schemas
WHERE name = %(name)s AND (%(version)s::integer IS NULL OR version = %(version)s)
ORDER BY version;
