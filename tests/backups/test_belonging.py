"""The definitions that come and go with a table, and those that do not."""

from __future__ import annotations

from mock2pg import postgres
from mock2pg.backups import belonging, dump
from mock2pg.postgres.server import binary
from tests.fix_restore import EVERYTHING

MORE = """
    CREATE TABLE public.numbered (id serial PRIMARY KEY);
    CREATE FOREIGN DATA WRAPPER nothing;
    CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
    CREATE FOREIGN TABLE public.far (id int CHECK (id > 0)) SERVER nowhere;
    COMMENT ON INDEX public.by_code IS 'of an index'"""
DROP = """
    DROP VIEW public.named; DROP MATERIALIZED VIEW public.on_kept, public.kept; DROP FOREIGN TABLE public.far;
    DROP TABLE public.parent, public.child, public."Order ""1"" 'ü'", public.counts, public.parts, public.numbered"""
# A table that stays, and what is added to it; of each there is one of the same name that is added with its own.
KEPT = "CREATE TABLE public.a (v int); CREATE TABLE public.child (v int PRIMARY KEY)"
ADDED = """
    CREATE TABLE public."a b" (id int CONSTRAINT c PRIMARY KEY, v int REFERENCES public.child);
    ALTER TABLE public.a ADD CONSTRAINT "b c" UNIQUE (v), ADD CONSTRAINT refers FOREIGN KEY (v) REFERENCES public."a b";
    CREATE INDEX "x public.""a b"" y" ON public.a (v);
    CREATE INDEX own ON public."a b" USING btree (v);
    CREATE FUNCTION public."a b"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER "public.""a b"" y" BEFORE UPDATE OF v ON public.a FOR EACH ROW EXECUTE FUNCTION public."a b"();
    CREATE TRIGGER own BEFORE UPDATE OF v ON public."a b" FOR EACH ROW EXECUTE FUNCTION public."a b"();
    CREATE VIEW public.seen AS SELECT id FROM public."a b";
    COMMENT ON COLUMN public.a.v IS 'of public."a b"'"""


def changed_by(url: str, *statements: str) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return what the last of the statements changed, which of it is a part of what, and what there is then."""
    with postgres.connect(url, name="test") as connection:
        found = []
        for each in statements:
            connection.execute(each)
            found.append(dump.definitions(connection, url, "public", binary("pg_dump")))
    changed = dump.changed_entries(found[-2], found[-1])
    return changed, belonging.of(changed, found[-2], found[-1]), dump.entries(found[-1])


def test_the_parts_of_a_table_are_gone_with_it(database: str) -> None:
    """Every kind of part belongs to its table, added or removed; an object of its own belongs to none."""
    _, added, there = changed_by(database, "SELECT", EVERYTHING + ";" + MORE)
    kinds = ("CONSTRAINT", "FK CONSTRAINT", "DEFAULT", "INDEX", "TRIGGER", "RULE", "POLICY", "ROW SECURITY")
    kinds += ("COMMENT TABLE", "COMMENT COLUMN", "COMMENT INDEX", "ACL TABLE", "ACL COLUMN", "SEQUENCE OWNED BY")
    parts = [name for name in there if name.startswith(tuple(f"{kind} " for kind in kinds))]
    parts += ["TABLE ATTACH low", "SEQUENCE parent_id_seq", "SEQUENCE numbered_id_seq"]
    assert {name for name in parts if not name.startswith("INDEX ATTACH")} <= added.keys()
    assert {kind for kind in kinds if any(name.startswith(f"{kind} ") for name in added)} == {*kinds}
    assert "SEQUENCE plain" not in added
    changed, removed, left = changed_by(database, "SELECT", DROP)
    assert removed.items() <= added.items()
    assert not removed.keys() & left.keys()
    alone = {name for name in changed if name not in removed and not name.startswith("INDEX ATTACH")}
    tables = {"TABLE parent", "TABLE child", "TABLE Order \"1\" 'ü'", "TABLE counts", "TABLE parts", "TABLE low"}
    tables |= {"TABLE rest", "TABLE numbered", "FOREIGN TABLE far", "STATISTICS both"}
    assert alone == {*tables, "VIEW named", "MATERIALIZED VIEW on_kept", "MATERIALIZED VIEW kept"}


def test_what_is_added_to_a_table_that_stays_is_a_part_of_nothing(database: str) -> None:
    """It is removed on its own, so it is named; names that look like those of an added table deceive nobody."""
    changed, within, _ = changed_by(database, KEPT, ADDED)
    assert {name for name in changed if name not in within} == {
        "TABLE a b",
        "VIEW seen",
        "FUNCTION a b()",
        "CONSTRAINT a b c",
        "FK CONSTRAINT a refers",
        'INDEX x public."a b" y',
        'TRIGGER a public."a b" y',
        "COMMENT COLUMN a.v",
    }
    assert set(within.values()) == {"TABLE a b"}
    assert set(within) == {"FK CONSTRAINT a b a b_v_fkey", "INDEX own", "TRIGGER a b own"}


def test_what_is_said_of_an_object_that_is_called_as_a_table_is_no_part_of_it(database: str) -> None:
    """A function or statistics may have a table's name: their comments and grants are undone on their own."""
    there = "CREATE TABLE public.a (v int, w int); CREATE STATISTICS public.seen ON v, w FROM public.a;"
    there += "CREATE FUNCTION public.total() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    more = "CREATE TABLE public.total (v int); COMMENT ON COLUMN public.total.v IS 'own'; CREATE TABLE public.seen ();"
    more += "COMMENT ON STATISTICS public.seen IS 'x'; COMMENT ON FUNCTION public.total() IS 'x';"
    more += "REVOKE ALL ON FUNCTION public.total() FROM PUBLIC; GRANT SELECT ON public.total TO PUBLIC;"
    more += 'CREATE TABLE public."None" (); ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC'
    changed, within, _ = changed_by(database, there, more)
    assert within == {"COMMENT COLUMN total.v": "TABLE total", "ACL TABLE total": "TABLE total"}
    alone = {"COMMENT FUNCTION total()", "ACL FUNCTION total()", "COMMENT STATISTICS seen"}
    alone |= {"DEFAULT ACL DEFAULT PRIVILEGES FOR TABLES", "TABLE total", "TABLE seen", "TABLE None"}
    assert changed.keys() - within.keys() == alone
