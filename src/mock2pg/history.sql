-- The history of what was published: never part of a backup, never undone by a rollback.
CREATE SCHEMA IF NOT EXISTS mock2pg;

CREATE TABLE mock2pg.runs (
    run_id text NOT NULL,
    command text NOT NULL, -- migrate or rollback; a run that undoes itself has a row of each
    operator text NOT NULL,
    started_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    target_schema text NOT NULL,
    published_run text, -- the run whose rows are live from now on; null: none is
    mode text, -- of a migration: replace or upsert
    input_sha256 text,
    contracts_sha256 text, -- over the contracts of all models
    backup_id text, -- taken by a migration, gone back to by a rollback
    present_backup_id text, -- of a rollback: what was live before it
    tables jsonb NOT NULL, -- table -> counts of rows; hash: of what was migrated; content: of all that is live
    owned jsonb NOT NULL, -- table -> oid and contract, of each that a migration created: only these may be altered
    version text NOT NULL,
    PRIMARY KEY (run_id, command)
);

CREATE TABLE mock2pg.settings (
    name text PRIMARY KEY,
    value jsonb NOT NULL
);

COMMENT ON TABLE mock2pg.settings IS
    'protected = true: only an input that was migrated on another server before is taken here.';
COMMENT ON TABLE mock2pg.runs IS 'One row per migration and rollback, written in the transaction that published it.';
