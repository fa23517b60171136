"""An executed notebook as a page."""

from __future__ import annotations

import json
from pathlib import Path

from mock2pg import files
from mock2pg.errors import InternalError
from mock2pg.report import pages


def export_html(executed: Path, page: Path, *, title: str) -> None:
    """Show an executed notebook as one HTML file that needs nothing from elsewhere, its code folded.

    Raises InternalError for a file that is not a notebook.
    """
    try:
        notebook = json.loads(executed.read_text(encoding="utf-8"))
        text = pages.render("notebook.html", notebook={"metadata": {}, "cells": [], **notebook}, title=title)
    except (OSError, ValueError, TypeError) as error:
        raise InternalError(f"{executed.name} cannot be shown: {type(error).__name__}") from None
    files.write(page, text.encode())
