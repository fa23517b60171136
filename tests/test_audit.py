"""What an auditor would try, from the first run to the last, on one database."""

from __future__ import annotations

import random
from typing import Any

from mock2pg import MigrationService
from mock2pg.errors import EvidenceBroken, LiveChanged, VerifyFailed
from mock2pg.settings import Settings
from tests.fix_restore import dumped, execute


def test_three_rows_changed_by_hand(published: Settings, document: dict[str, Any]) -> None:
    """Verify names their keys, a rollback refuses with numbers, and goes back when told to; all of it is evidence."""
    url, service = published.url, MigrationService(published)
    before = dumped(url, "public")
    document["meetings"][0]["title"] = "Another title"
    second = service.migrate_all_data(document)
    assert second.success, second.message
    backup = second.summary["backup"]["backup_id"]

    student, note, meeting = (document[name][3]["id"] for name in ("students", "classNotes", "meetings"))
    execute(
        url,
        f"UPDATE public.students SET phone = phone || ' ' WHERE id = '{student}';"
        f"DELETE FROM public.class_notes WHERE id = '{note}';"
        f"CREATE TEMPORARY TABLE m AS SELECT * FROM public.meetings WHERE id = '{meeting}';"
        "UPDATE m SET id = 'by hand'; INSERT INTO public.meetings TABLE m",
    )
    found = service.verify()
    assert isinstance(found.error, VerifyFailed)
    keys = {
        (name, kind): table[f"{kind}_keys"]
        for name, table in found.summary["verify"]["tables"].items()
        for kind in ("missing", "extra", "different")
        if table[kind]
    }
    assert keys == {
        ("students", "different"): [student],
        ("class_notes", "missing"): [note],
        ("meetings", "extra"): ["by hand"],
    }

    changed = dumped(url, "public")
    refused = service.rollback(backup)
    assert isinstance(refused.error, LiveChanged)
    assert refused.summary["rollback"]["changes"]["students"] == {"back": 0, "gone": 0, "different": 1}
    for name, kind in keys:
        assert f"{name}: not as run {second.run_id} published it: 1 row (1 {kind})" in refused.error.message
    assert dumped(url, "public") == changed

    back = service.rollback(backup, discard_changes=True)
    assert back.success, back.message
    assert dumped(url, "public") == before
    again = service.rollback(back.summary["rollback"]["present_backup_id"])
    assert again.success, again.message
    assert dumped(url, "public") == changed

    assert service.verify_evidence(every=True).success
    files = [file for file in published.runs_dir.glob("2*/**/*") if file.is_file() and file.stat().st_size]
    files += published.backups_dir.glob("backup-*")
    for file in random.sample(sorted(files), 12):
        sound = file.read_bytes()
        place = random.randrange(len(sound))
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        judged = service.verify_evidence(every=True)
        assert isinstance(judged.error, EvidenceBroken), (file, place)
        assert file.name in str(judged.faults), file
        file.write_bytes(sound)
    assert service.verify_evidence(every=True).success
