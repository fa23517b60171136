"""An executed notebook as a page."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from mock2pg.errors import InternalError

if TYPE_CHECKING:
    from nbconvert.exporters.html import HTMLExporter

TEMPLATES = Path(__file__).parents[1] / "templates"


def export_html(executed: Path, page: Path, *, title: str) -> None:
    """Show an executed notebook as one HTML file that needs nothing from elsewhere, its code folded.

    Raises InternalError for a file that is not a notebook.
    """
    import nbformat

    try:
        node = nbformat.read(executed, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InternalError(f"{executed.name} cannot be shown: {type(error).__name__}") from None
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    text, _ = _exporter().from_notebook_node(node, resources={"title": escape(title), "style": style})
    aside = page.with_name(page.name + ".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(page)


@cache
def _exporter() -> HTMLExporter:
    """What shows every notebook of this process: to read the templates takes longer than to fill them."""
    from nbconvert.exporters.html import HTMLExporter

    return HTMLExporter(
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
        default_preprocessors=[],
    )
