-- Roles for mock2pg. Run by the owner of the database or a superuser: psql -v ON_ERROR_STOP=1 -f FILE
-- Passwords are yours to set: \password {migrator}
BEGIN;
-- Nothing below is looked up where others may create objects.
SELECT pg_catalog.set_config('search_path', 'pg_catalog', true) AS path \gset

SELECT 'CREATE ROLE ' || quote_ident(r) || ' LOGIN' FROM unnest(ARRAY[{migrator_name}, {auditor_name}]) AS r
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) \gexec
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {migrator};
GRANT CONNECT ON DATABASE {database} TO {auditor};

-- What was published when. Rows can be added by the migrator, and changed or removed by nobody but the owner;
-- so can the settings: INSERT INTO mock2pg.settings VALUES ('protected', 'true');
SELECT to_regnamespace('mock2pg') IS NULL AS absent, to_regclass('mock2pg.runs') IS NOT NULL AS recorded,
    to_regclass('mock2pg.schema_version') IS NOT NULL AS versioned \gset
\if :absent
CREATE SCHEMA mock2pg;
SELECT {closing} WHERE nspname = 'mock2pg' \gexec
\endif
\if :versioned
SELECT max(version) AS version FROM mock2pg.schema_version \gset
\elif :recorded
\set version 1
\else
\set version 0
\endif
{history}
GRANT USAGE ON SCHEMA mock2pg TO {migrator}, {auditor};
GRANT SELECT ON ALL TABLES IN SCHEMA mock2pg TO {migrator}, {auditor};
-- The other columns say who and when, and which row came first: the server fills them.
REVOKE INSERT ON mock2pg.runs, mock2pg.events FROM {migrator};
GRANT INSERT (run_id, command, operator, started_at, target_schema, published_run, mode, input_sha256, contracts_sha256,
    backup_id, present_backup_id, tables, owned, version, found)
    ON mock2pg.runs TO {migrator};
GRANT INSERT (kind, run_id, outcome, error, target_schema, backup_id, operator, host, chain, sha256)
    ON mock2pg.events TO {migrator};

-- Where a migration builds before it publishes, and where a rollback in a Citus cluster distributes what it restores.
CREATE SCHEMA IF NOT EXISTS mock2pg_landing;
CREATE SCHEMA IF NOT EXISTS mock2pg_next;
CREATE SCHEMA IF NOT EXISTS mock2pg_restore_test;
SELECT {closing} WHERE nspname IN ('mock2pg_landing', 'mock2pg_next', 'mock2pg_restore_test') \gexec
GRANT ALL ON SCHEMA mock2pg_landing, mock2pg_next, mock2pg_restore_test TO {migrator};

-- The target tables: their rows may be read by both and written by the migrator. Tables are nobody's to make, alter or
-- drop; for tables that are not there yet, and for rollbacks that make tables anew, the migrator must own the tables.
GRANT USAGE ON SCHEMA {target} TO {migrator}, {auditor};
GRANT SELECT ON ALL TABLES IN SCHEMA {target} TO {migrator}, {auditor};
GRANT SELECT ON ALL SEQUENCES IN SCHEMA {target} TO {migrator}, {auditor};
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {target} TO {migrator};
GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA {target} TO {migrator};
-- The same for tables that you will make.
ALTER DEFAULT PRIVILEGES IN SCHEMA {target} GRANT SELECT ON TABLES TO {migrator}, {auditor};
ALTER DEFAULT PRIVILEGES IN SCHEMA {target} GRANT SELECT ON SEQUENCES TO {migrator}, {auditor};
ALTER DEFAULT PRIVILEGES IN SCHEMA {target} GRANT INSERT, UPDATE, DELETE ON TABLES TO {migrator};
ALTER DEFAULT PRIVILEGES IN SCHEMA {target} GRANT USAGE, UPDATE ON SEQUENCES TO {migrator};
ALTER ROLE {auditor} SET default_transaction_read_only = on;

COMMIT;
