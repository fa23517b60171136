"""The attempts of an auditor, from the first run to the last, on one database."""

from __future__ import annotations

import random

from mock2pg import MigrationService
from mock2pg.errors import EvidenceBroken, TargetChanged, VerifyFailed
from mock2pg.settings import Settings
from tests.fix_published import small_rows
from tests.fix_restore import dumped, execute


def test_three_rows_changed_by_hand(published_small: Settings) -> None:
    """Verify names their keys, a rollback refuses with numbers, and goes back when told to; all of it is evidence."""
    published, document = published_small, small_rows()
    url, service = published.url, MigrationService(published)
    before = dumped(url, "public")
    document["pets"][0]["legs"] = 3
    second = service.migrate_all_data(document)
    assert second.success, second.message
    backup = second.summary["backup"]["backup_id"]

    owner, gone, like = (document[name][3]["id"] for name in ("owners", "pets", "owners"))
    execute(
        url,
        f"UPDATE public.owners SET name = name || ' ' WHERE id = '{owner}';"
        f"DELETE FROM public.pets WHERE id = '{gone}';"
        f"CREATE TEMPORARY TABLE o AS SELECT * FROM public.owners WHERE id = '{like}';"
        "UPDATE o SET id = 'by hand'; INSERT INTO public.owners TABLE o",
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
        ("owners", "different"): [owner],
        ("owners", "extra"): ["by hand"],
        ("pets", "missing"): [gone],
    }

    changed = dumped(url, "public")
    refused = service.rollback(backup)
    assert isinstance(refused.error, TargetChanged)
    assert refused.summary["rollback"]["changes"]["owners"] == {"restored": 0, "removed": 1, "changed": 1}
    for name, what in (("owners", "2 rows (1 extra, 1 different)"), ("pets", "1 row (1 missing)")):
        assert f"{name}: not as run {second.run_id} published it: {what}" in refused.error.message
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
    for file in random.sample(sorted(files), 4):
        sound = file.read_bytes()
        place = random.randrange(len(sound))
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        judged = service.verify_evidence(every=True)
        assert isinstance(judged.error, EvidenceBroken), (file, place)
        assert file.name in str(judged.faults), file
        file.write_bytes(sound)
    assert service.verify_evidence(every=True).success
