-- Version 2. The server numbers the rows of both tables in one order and says who wrote them; no clock decides anything.
LOCK TABLE mock2pg.runs, mock2pg.events IN ACCESS EXCLUSIVE MODE;
ALTER TABLE mock2pg.runs DISABLE TRIGGER append_only;
ALTER TABLE mock2pg.events DISABLE TRIGGER append_only;

ALTER TABLE mock2pg.runs ADD id bigint, ADD database_user text, ADD client_address inet, ADD application text;
ALTER TABLE mock2pg.events ALTER id DROP IDENTITY;
-- Rows were only ever added, so their place is their order. Times only merge the two tables, and never go back.
WITH ordered AS (
    SELECT 'runs' AS home, ctid AS place, row_number() OVER (ORDER BY ctid) AS n,
        max(published_at) OVER (ORDER BY ctid) AS at
    FROM mock2pg.runs
    UNION ALL SELECT 'events', ctid, row_number() OVER (ORDER BY id), max(happened_at) OVER (ORDER BY id)
    FROM mock2pg.events
), numbered AS (
    SELECT home, place, row_number() OVER (ORDER BY at, home DESC, n)
        + (SELECT coalesce(max(id), 0) FROM mock2pg.events) AS id
    FROM ordered
), runs AS (
    UPDATE mock2pg.runs AS r SET id = n.id FROM numbered AS n WHERE n.home = 'runs' AND n.place = r.ctid
)
UPDATE mock2pg.events AS e SET id = n.id FROM numbered AS n WHERE n.home = 'events' AND n.place = e.ctid;
ALTER TABLE mock2pg.runs ALTER id SET NOT NULL, ADD UNIQUE (id);

CREATE SEQUENCE mock2pg.history_id OWNED BY mock2pg.runs.id;
SELECT setval('mock2pg.history_id', greatest(
    (SELECT max(id) FROM mock2pg.runs), (SELECT max(id) FROM mock2pg.events), 0) + 1, false);

-- SECURITY DEFINER: who may add a row need not have the sequence.
CREATE FUNCTION mock2pg.fill_server_columns() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.id := nextval('mock2pg.history_id');
    NEW.database_user := session_user;
    NEW.client_address := inet_client_addr();
    NEW.application := current_setting('application_name');
    IF TG_TABLE_NAME = 'runs' THEN
        NEW.published_at := clock_timestamp();
    ELSE
        NEW.happened_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION mock2pg.fill_server_columns() FROM PUBLIC;
CREATE TRIGGER server_columns BEFORE INSERT ON mock2pg.runs
    FOR EACH ROW EXECUTE FUNCTION mock2pg.fill_server_columns();
CREATE TRIGGER server_columns BEFORE INSERT ON mock2pg.events
    FOR EACH ROW EXECUTE FUNCTION mock2pg.fill_server_columns();
ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER server_columns;
ALTER TABLE mock2pg.events ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER server_columns;

CREATE TABLE mock2pg.schema_version (
    version integer PRIMARY KEY,
    upgraded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    upgraded_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE mock2pg.schema_version IS 'One row per step of these tables since version 1; the highest is what they are.';
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
            AND c.relname IN ('history_id', 'schema_version')
    LOOP
        EXECUTE revoke;
    END LOOP;
END
$$;
GRANT SELECT ON mock2pg.schema_version TO PUBLIC;
INSERT INTO mock2pg.schema_version (version) VALUES (2);
