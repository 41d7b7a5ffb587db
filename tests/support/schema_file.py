"""The schema as a file and as a catalog: ``python -m tests.support.schema_file`` writes ``schema.sql`` anew."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from infrastructure.postgres.migrations import migrate
from local.postgres import NOT_DURABLE, EmbeddedPostgres
from local.postgres_binaries import embedded_folder

SCHEMA_FILE = Path(__file__).resolve().parents[2] / "infrastructure" / "postgres" / "schema.sql"

HEAD = """\
-- The whole schema, as it stands after all migrations. To be read; databases are made by the migrations.
-- python -m tests.support.schema_file writes it, and a test holds it to what the migrations make.
"""

OPTIONS = ("--schema-only", "--schema=coremachine", "--no-owner", "--no-privileges", "--no-tablespaces")

# What pg_dump writes for its own sake: how the session is set, who it is, what the next object is.
NOISE = re.compile(r"(--$|-- (Name|PostgreSQL|Dumped)|SET |SELECT pg_catalog\.set_config|\\(un)?restrict )")

CATALOG = """
WITH classes AS (
    SELECT c.*, format('%s', c.oid::regclass) AS called FROM pg_class c
    WHERE relnamespace = to_regnamespace('coremachine')
)
SELECT 'relation', called, concat_ws(' ', relkind, relpersistence, (SELECT string_agg(o, ',' ORDER BY o)
    FROM unnest(reloptions) o), obj_description(oid, 'pg_class')) FROM classes
UNION ALL
SELECT 'column', called || '.' || attname, concat_ws(' ',
    row_number() OVER (PARTITION BY a.attrelid ORDER BY attnum), format_type(atttypid, atttypmod), attnotnull,
    attidentity, attgenerated, attstorage, attcompression, nullif(attstattarget, -1), collname,
    pg_get_expr(adbin, adrelid), col_description(a.attrelid, attnum))
FROM classes c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_collation k ON k.oid = attcollation LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND adnum = attnum
WHERE relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT 'index', called, pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid
FROM classes c JOIN pg_index i ON i.indexrelid = c.oid
UNION ALL
SELECT 'constraint', called || '.' || conname, concat_ws(' ', contype, convalidated, pg_get_constraintdef(k.oid))
FROM classes c JOIN pg_constraint k ON k.conrelid = c.oid
UNION ALL
SELECT 'trigger', called || '.' || tgname, pg_get_triggerdef(t.oid)
FROM classes c JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT tgisinternal
UNION ALL
SELECT 'sequence', called, concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle,
    (SELECT format('%s.%s %s', refobjid::regclass, refobjsubid, deptype) FROM pg_depend p
     WHERE p.objid = c.oid AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND refobjsubid > 0))
FROM classes c JOIN pg_sequence s ON s.seqrelid = c.oid
UNION ALL
SELECT 'view', called, pg_get_viewdef(oid) FROM classes WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'type', format('%s', t.oid::regtype), concat_ws(' ', typtype, format_type(typbasetype, typtypmod), typnotnull,
    (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
FROM pg_type t WHERE typnamespace = to_regnamespace('coremachine') AND typtype IN ('e', 'd')
UNION ALL
SELECT 'function', format('%s', p.oid::regprocedure), pg_get_functiondef(p.oid)
FROM pg_proc p WHERE pronamespace = to_regnamespace('coremachine') AND prokind IN ('f', 'p')
UNION ALL
SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
WHERE stxnamespace = to_regnamespace('coremachine')
ORDER BY 1, 2
"""


def catalog(connection: psycopg.Connection[Any]) -> list[tuple[str, str, str]]:
    """What lies in the schema ``coremachine``: kind, name and definition of each object, sorted."""
    return connection.execute(CATALOG).fetchall()


def dumped(url: str) -> str:
    """The schema of a database as SQL, in pg_dump's order and words, without what it says of itself."""
    command = [str(embedded_folder() / "pg_dump"), *OPTIONS, "--dbname", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept = "\n".join(line for line in text.splitlines() if not NOISE.match(line))
    return HEAD + "\n" + re.sub(r"\n{3,}", "\n\n", kept).strip() + "\n"


def main() -> None:
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        with psycopg.connect(server.uri) as connection:
            migrate(connection)
        SCHEMA_FILE.write_text(dumped(server.uri), "utf-8")


if __name__ == "__main__":
    main()
