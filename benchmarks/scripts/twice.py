"""Migrate a source twice in one process, and write the seconds of each call into a file.

python twice.py SOURCE FILE     # settings from the environment
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from mock2pg import MigrationService


def main(source: str, file: str) -> None:
    service, took = MigrationService(), []
    for _ in range(2):
        began = time.perf_counter()
        result = service.migrate_all_data(Path(source))
        took.append(time.perf_counter() - began)
        assert result.success, result.message
    Path(file).write_text(json.dumps(took))


if __name__ == "__main__":
    main(*sys.argv[1:])
