"""Primary keys of any kind, and rows that have none: each row is found again, changed, deleted and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg import sql

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from tests.fix_declared import Entity, declared_project

ENTITIES = (
    Entity("tracks", {"TrackId": "bigint!", "Name": "text!"}, key=["TrackId"]),
    Entity("playlists", {"PlaylistId": "uuid!", "Made": "date"}, key=["PlaylistId"]),
    Entity(
        "PlaylistTrack", {"PlaylistId": "uuid!", "TrackId": "bigint!"}, key=["PlaylistId", "TrackId"],
        constraints=[
            {"type": "foreign_key", "columns": ["PlaylistId"], "to": "ref('playlists')", "to_columns": ["PlaylistId"]},
            {"type": "foreign_key", "columns": ["TrackId"], "to": "ref('tracks')", "to_columns": ["TrackId"]},
        ],
    ),
    Entity("days", {"day": "date!", "hour": "time!", "what": "text"}, key=["day", "hour"]),
    # rows that have no key: where they are in their array is it
    Entity("log", {"position": "integer!", "line": "text!"}, key=["position"], paths={"position": "[]"}),
    Entity(
        "tags", {"track_id": "bigint!", "position": "integer!", "tag": "text!"}, key=["track_id", "position"],
        path="tracks[].tags[]", paths={"track_id": "tracks[].TrackId", "position": "[]", "tag": "."},
        constraints=[
            {"type": "foreign_key", "columns": ["track_id"], "to": "ref('tracks')", "to_columns": ["TrackId"]},
        ],
    ),
)  # fmt: skip
A, B, C = (f"{n}0000000-0000-4000-8000-000000000000" for n in "abc")
BIG = 2**62
FIRST: dict[str, list[dict[str, Any]]] = {
    "tracks": [
        {"TrackId": BIG + 1, "Name": "one", "tags": ["x", "y", "x", "x"]},
        {"TrackId": BIG + 2, "Name": "two", "tags": []},
        {"TrackId": -3, "Name": "three", "tags": ["z"]},
    ],
    "playlists": [{"PlaylistId": A, "Made": "2026-03-02"}, {"PlaylistId": B, "Made": None}],
    "PlaylistTrack": [{"PlaylistId": A, "TrackId": BIG + 1}, {"PlaylistId": A, "TrackId": -3},
                      {"PlaylistId": B, "TrackId": BIG + 1}],
    "days": [{"day": "2026-03-02", "hour": hour, "what": hour} for hour in ("08:00", "09:00")],
    "log": [{"line": "begin"}, {"line": "same"}, {"line": "same"}, {"line": "end"}],
}  # fmt: skip
CHANGED: dict[str, list[dict[str, Any]]] = {
    "tracks": [
        {"TrackId": BIG + 1, "Name": "one", "tags": ["x", "x", "y"]},
        {"TrackId": 5, "Name": "five", "tags": ["z", "z"]},
    ],
    "playlists": [{"PlaylistId": B, "Made": "2026-03-03"}, {"PlaylistId": C, "Made": None}],
    "PlaylistTrack": [{"PlaylistId": B, "TrackId": 5}, {"PlaylistId": B, "TrackId": BIG + 1},
                      {"PlaylistId": C, "TrackId": 5}],
    "days": [{"day": "2026-03-03", "hour": "08:00", "what": None}, {"day": "2026-03-02", "hour": "09:00", "what": "x"}],
    "log": [{"line": "before"}, {"line": "begin"}, {"line": "same"}, {"line": "same"}, {"line": "end"}],
}  # fmt: skip


def test_rows_are_found_by_keys_of_any_kind(database: str, tmp_path: Path) -> None:
    """64 bits, UUIDs, dates, several columns, positions; repeated values stay, in their order.

    A row that is inserted before others of a table without a key moves each of them, and is told as their change.
    """
    service = MigrationService(
        settings_module.load(project=declared_project(tmp_path, ENTITIES), database_url=database)
    )
    first = service.migrate_all_data(FIRST)
    assert first.success, (first.message, first.error)
    with postgres.connect(database, name="test") as connection:
        before = contents(connection)
        assert before["tags"] == [(-3, 0, "z"), *((BIG + 1, n, tag) for n, tag in enumerate("xyxx"))]
        assert before["log"] == [(0, "begin"), (1, "same"), (2, "same"), (3, "end")]
        planned = service.plan(CHANGED).summary["plan"]["tables"]
        assert planned["PlaylistTrack"]["keys"] == {
            "inserted": [f"({B}, 5)", f"({C}, 5)"],
            "updated": [],
            "deleted": [f"({A}, -3)", f"({A}, {BIG + 1})"],
        }
        assert planned["days"]["keys"]["deleted"] == ["(2026-03-02, 08:00:00)"]
        second = service.migrate_all_data(CHANGED)
        assert second.success, (second.message, second.error)
        tables = second.summary["publish"]["tables"]
        found = {name: [table[kind] for kind in ("inserted", "updated", "deleted")] for name, table in tables.items()}
        assert found == {
            "tracks": [1, 0, 2],
            "playlists": [1, 1, 1],
            "PlaylistTrack": [2, 0, 2],
            "days": [1, 1, 1],
            "log": [1, 3, 0],
            "tags": [2, 2, 2],
        }
        connection.execute("DELETE FROM public.tags WHERE track_id = 5")
        assert not service.validate_migration()
        rolled_back = service.rollback(second.summary["backup"]["backup_id"], discard_changes=True)
        assert rolled_back.success, rolled_back.message
        assert contents(connection) == before


def contents(connection: postgres.Connection) -> dict[str, Any]:
    """The rows of each target table but for what the database fills."""
    found = {}
    for entity in ENTITIES:
        names = [sql.SQL(", ").join(map(sql.Identifier, each)) for each in (entity.columns, entity.key)]
        query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
            names[0], sql.Identifier("public", entity.name), names[1]
        )
        found[entity.name] = connection.execute(query).fetchall()
    return found
