"""An executed notebook as a page."""

from __future__ import annotations

import json
from pathlib import Path

from mock2pg import files, pages
from mock2pg.errors import InternalError


def export_html(executed: Path, page: Path, *, title: str, run_id: str | None = None) -> None:
    """Show an executed notebook as one HTML file that needs nothing from elsewhere, its code folded.

    run_id  the run in whose notebooks/ the page is

    Raises InternalError for a file that is not a notebook.
    """
    try:
        notebook = json.loads(executed.read_text(encoding="utf-8"))
        text = pages.render(
            "notebook.html",
            notebook={"metadata": {}, "cells": [], **notebook},
            title=title,
            name=executed.stem,
            links=pages.RunLinks(run_id, "../") if run_id else None,
        )
    except (OSError, ValueError, TypeError) as error:
        raise InternalError(f"{executed.name} cannot be shown: {type(error).__name__}") from None
    files.write(page, text.encode())
