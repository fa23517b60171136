-- Version 1. What was published, and what was tried: never part of a backup, never undone by a rollback.

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

CREATE TABLE mock2pg.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL, -- migrate, plan, backup, verify, rollback, prune; manifest: the folder of a run was sealed
    run_id text,
    outcome text NOT NULL, -- what became of it, as in the run's record; sealed
    error text, -- the name of the error, when it failed or was refused
    target_schema text NOT NULL,
    backup_id text, -- that was taken, gone back to, or removed
    operator text NOT NULL, -- who, as the settings say
    host text NOT NULL, -- where, as the client's machine calls itself
    database_user text NOT NULL DEFAULT session_user,
    client_address inet DEFAULT inet_client_addr(), -- null: through a socket
    application text NOT NULL DEFAULT current_setting('application_name'),
    chain text, -- of a manifest: the runs folder that it belongs to
    sha256 text -- of a manifest
);

CREATE FUNCTION mock2pg.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'mock2pg.% only takes new rows', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mock2pg.runs
    FOR EACH STATEMENT EXECUTE FUNCTION mock2pg.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mock2pg.events
    FOR EACH STATEMENT EXECUTE FUNCTION mock2pg.refuse_change();
-- also for a session that plays a replica, where other triggers do not fire
ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mock2pg.events ENABLE ALWAYS TRIGGER append_only;

-- Default privileges may have opened them to others, who could then put code of theirs there.
DO $$
DECLARE
    revoke text;
BEGIN
    FOR revoke IN
        SELECT format('REVOKE ALL ON mock2pg.%I FROM %s', c.relname,
            CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
        FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.relnamespace = 'mock2pg'::regnamespace AND c.relkind IN ('r', 'S') AND a.grantee <> c.relowner
    LOOP
        EXECUTE revoke;
    END LOOP;
END
$$;

COMMENT ON TABLE mock2pg.settings IS
    'protected = true: only an input that was migrated on another server before is taken here.';
COMMENT ON TABLE mock2pg.runs IS 'One row per migration and rollback, written in the transaction that published it.';
COMMENT ON TABLE mock2pg.events IS 'One row per command that reached this database, and one per manifest; see mock2pg history.';
