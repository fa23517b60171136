"""Citus's catalogue and functions on a server without it: what is called is recorded, refused as Citus refuses it, and
remembered; the tables stay local.

It proves the order of calls, their arguments and what mock2pg makes of the answers, not that Citus takes a statement:
`rules` reads the statements, and the tests marked `citus` run them.
"""

from __future__ import annotations

from typing import LiteralString

from mock2pg import postgres

_INSTALL: LiteralString = """
    SET allow_system_table_mods = on;
    INSERT INTO pg_extension VALUES (99999, 'citus', 10, 11, false, '14.0-1', NULL, NULL);
    CREATE TABLE pg_catalog.pg_dist_local_group (groupid int);
    INSERT INTO pg_catalog.pg_dist_local_group VALUES (0);
    CREATE TABLE pg_catalog.pg_dist_schema (schemaid oid, colocationid int);
    CREATE TABLE pg_catalog.pg_dist_node (nodeid int, groupid int, nodename text, nodeport int, isactive boolean,
        noderole text DEFAULT 'primary');
    INSERT INTO pg_catalog.pg_dist_node VALUES (1, 0, 'coordinator', 5432, true), (2, 1, 'worker-1', 5432, true),
        (3, 2, 'worker-2', 5432, true);
    CREATE TABLE pg_catalog.double_partition (logicalrelid regclass, partmethod "char", partkey text, colocationid int,
        repmodel "char");
    -- a table that is dropped is in it no more
    CREATE VIEW pg_catalog.pg_dist_partition AS SELECT p.* FROM pg_catalog.double_partition AS p
        JOIN pg_catalog.pg_class AS c ON c.oid = p.logicalrelid::oid;
    CREATE VIEW pg_catalog.pg_dist_shard AS SELECT logicalrelid, 102000 + n AS shardid, 't'::"char" AS shardstorage
        FROM pg_catalog.pg_dist_partition, generate_series(1, CASE WHEN partmethod = 'h' THEN 4 ELSE 1 END) AS n;
    CREATE VIEW pg_catalog.pg_dist_colocation AS SELECT DISTINCT p.colocationid, 4 AS shardcount,
        a.atttypid AS distributioncolumntype FROM pg_catalog.pg_dist_partition AS p
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.logicalrelid AND a.attname = p.partkey;
    CREATE SEQUENCE pg_catalog.double_groups START 10000;
    CREATE TABLE pg_catalog.double_calls (number int GENERATED ALWAYS AS IDENTITY, call text);
    GRANT SELECT ON pg_catalog.pg_dist_local_group, pg_catalog.pg_dist_node, pg_catalog.pg_dist_partition,
        pg_catalog.pg_dist_schema, pg_catalog.pg_dist_shard TO PUBLIC;
    CREATE FUNCTION pg_catalog.citus_version() RETURNS text LANGUAGE sql AS $$SELECT 'Citus 14.0.1 (a double)'$$;
    CREATE FUNCTION pg_catalog.column_to_column_name(regclass, text) RETURNS text LANGUAGE sql AS $$SELECT $2$$;
    CREATE FUNCTION pg_catalog.double_record(call text) RETURNS void LANGUAGE sql
        AS $$INSERT INTO pg_catalog.double_calls (call) VALUES (call)$$;

    CREATE FUNCTION pg_catalog.double_refuse(given regclass) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid = given) THEN
            RAISE 'table "%" is already distributed', given USING ERRCODE = 'invalid_table_definition';
        END IF;
        IF (SELECT relpersistence = 't' FROM pg_catalog.pg_class WHERE oid = given) THEN
            RAISE 'cannot distribute a temporary table' USING ERRCODE = 'wrong_object_type';
        END IF;
    END$$;

    CREATE FUNCTION pg_catalog.create_reference_table(table_name regclass) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_catalog.double_refuse(table_name);
        IF EXISTS (SELECT FROM pg_catalog.pg_constraint AS c JOIN pg_catalog.pg_dist_partition AS p
                ON p.logicalrelid = c.confrelid::regclass AND p.partmethod = 'h'
                WHERE c.conrelid = table_name AND c.contype = 'f') THEN
            RAISE 'cannot create foreign key constraint since foreign keys from reference tables and local tables to'
                ' distributed tables are not supported' USING ERRCODE = 'feature_not_supported';
        END IF;
        INSERT INTO pg_catalog.double_partition VALUES (table_name, 'n', NULL, 1, 't');
        PERFORM pg_catalog.double_record(format('create_reference_table(%s)', table_name));
    END$$;

    CREATE FUNCTION pg_catalog.create_distributed_table(table_name regclass, distribution_column text,
        distribution_type text DEFAULT 'hash', colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL)
        RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        attribute pg_catalog.pg_attribute;
        own_group int;
    BEGIN
        PERFORM pg_catalog.double_refuse(table_name);
        SELECT * INTO attribute FROM pg_catalog.pg_attribute
            WHERE attrelid = table_name AND attname = distribution_column AND attnum > 0 AND NOT attisdropped;
        IF NOT FOUND THEN
            RAISE 'column "%" of relation "%" does not exist', distribution_column, table_name
                USING ERRCODE = 'undefined_column';
        END IF;
        IF EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = table_name AND (indisunique OR indisexclusion)
                AND NOT attribute.attnum = ANY (indkey::int2[])) THEN
            RAISE 'cannot create constraint on "%"', table_name USING ERRCODE = 'feature_not_supported', DETAIL =
                'Distributed relations cannot have UNIQUE, EXCLUDE, or PRIMARY KEY constraints that do not include the'
                ' partition column (with an equality operator if EXCLUDE).';
        END IF;
        IF EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = table_name AND NOT tgisinternal) THEN
            RAISE 'cannot distribute relation "%" because it has triggers', table_name
                USING ERRCODE = 'feature_not_supported';
        END IF;
        IF EXISTS (SELECT FROM pg_catalog.pg_constraint AS c LEFT JOIN pg_catalog.pg_dist_partition AS p
                ON p.logicalrelid = c.confrelid::regclass
                WHERE c.conrelid = table_name AND c.contype = 'f' AND c.confrelid <> table_name
                    AND (p.partmethod IS NULL OR p.partmethod = 'h' AND NOT attribute.attnum = ANY (c.conkey))) THEN
            RAISE 'cannot create foreign key constraint since relations are not colocated or not referencing a'
                ' reference table' USING ERRCODE = 'feature_not_supported';
        END IF;
        own_group := 2 + attribute.atttypid::int;
        IF colocate_with = 'none' THEN
            own_group := nextval('pg_catalog.double_groups');
        END IF;
        IF colocate_with NOT IN ('default', 'none') THEN
            SELECT colocationid INTO own_group FROM pg_catalog.pg_dist_partition
                WHERE logicalrelid = colocate_with::regclass AND partmethod = 'h';
            IF NOT FOUND THEN
                RAISE 'relation % is not distributed', colocate_with USING ERRCODE = 'invalid_table_definition';
            END IF;
        END IF;
        INSERT INTO pg_catalog.double_partition VALUES (table_name, 'h', distribution_column, own_group, 's');
        PERFORM pg_catalog.double_record(format('create_distributed_table(%s, %s, %s)', table_name,
            distribution_column, concat_ws(', ', colocate_with, shard_count)));
    END$$;

    CREATE FUNCTION pg_catalog.undistribute_table(table_name regclass) RETURNS void LANGUAGE plpgsql
        AS $$BEGIN RAISE 'nothing is ever un-distributed'; END$$;
    -- the nodes that are lost while a transaction is committed, which it is prepared on from then on
    CREATE TABLE pg_catalog.double_lost (groupid int, answers boolean);
    CREATE TABLE pg_catalog.pg_dist_transaction (groupid int, gid text, outer_xid xid8);
    CREATE FUNCTION pg_catalog.get_current_transaction_id(OUT process_id int, OUT transaction_number bigint)
        LANGUAGE plpgsql AS $$
    BEGIN
        process_id := pg_catalog.pg_backend_pid();
        transaction_number := pg_catalog.txid_current();
        INSERT INTO pg_catalog.pg_dist_transaction
            SELECT groupid, format('citus_0_%s_%s_%s', process_id, transaction_number, groupid)
            FROM pg_catalog.double_lost;
    END$$;
    CREATE FUNCTION pg_catalog.recover_prepared_transactions() RETURNS int LANGUAGE plpgsql AS $$
    DECLARE
        recovered int;
    BEGIN
        DELETE FROM pg_catalog.pg_dist_transaction
            WHERE groupid NOT IN (SELECT groupid FROM pg_catalog.double_lost WHERE NOT answers);
        GET DIAGNOSTICS recovered = ROW_COUNT;
        RETURN recovered;
    END$$;
    CREATE FUNCTION pg_catalog.run_command_on_workers(command text)
        RETURNS TABLE (nodename text, nodeport int, success boolean, result text) LANGUAGE plpgsql AS $$
    DECLARE
        number int;
    BEGIN
        FOR number, nodename, nodeport IN SELECT n.groupid, n.nodename, n.nodeport FROM pg_catalog.pg_dist_node AS n
            WHERE n.groupid > 0
        LOOP
            success := number NOT IN (SELECT groupid FROM pg_catalog.double_lost WHERE NOT answers);
            result := 'connection refused';
            IF success THEN
                EXECUTE replace(command, 'pg_catalog.pg_prepared_xacts',
                    format('(SELECT gid, current_database() AS database, now() - interval ''1 min'' AS prepared'
                    ' FROM pg_catalog.pg_dist_transaction WHERE groupid = %s)', number)) INTO result;
            END IF;
            RETURN NEXT;
        END LOOP;
    END$$;
"""


def install(url: str) -> None:
    """Make the database look like a coordinator's with two workers."""
    with postgres.connect(url, name="test") as connection:
        connection.execute(_INSTALL)


def calls(url: str) -> list[str]:
    """Return what was called of Citus's functions to distribute tables, and committed, in order."""
    with postgres.connect(url, name="test") as connection:
        rows = connection.execute("SELECT call FROM pg_catalog.double_calls ORDER BY number").fetchall()
    return [call for (call,) in rows]
