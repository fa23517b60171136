-- Version 3. What a run found and what it published by, so that a later run need not look into its folder.
ALTER TABLE mock2pg.runs ADD found jsonb;
COMMENT ON COLUMN mock2pg.runs.found IS 'What a later verification or rollback asks of the run: the hashes of the content'
    ' and the fingerprint of the definitions that it found; of a migration also its contracts, and how many rows kept'
    ' a key of their own. Null in rows of an earlier version: there the folder of the run has it.';
-- Who may fill the other columns of a row may fill this one, too.
DO $$
DECLARE
    allow text;
BEGIN
    FOR allow IN
        SELECT format('GRANT INSERT (found) ON mock2pg.runs TO %s',
            CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END)
        FROM pg_attribute AS a, aclexplode(a.attacl) AS acl
        WHERE a.attrelid = 'mock2pg.runs'::regclass AND a.attname = 'owned' AND acl.privilege_type = 'INSERT'
    LOOP
        EXECUTE allow;
    END LOOP;
END
$$;
INSERT INTO mock2pg.schema_version (version) VALUES (3);
