"""Pages of the repository that are not in docs/, as pages of the site; `mkdocs.yml` names this file as a hook.

A link of a page is relative to its file, so that it works where the repository is read. The site has other places for
some of the files, and none for most: a link to one of those becomes its text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[2]
OUTSIDE = {  # place in the site -> file of the repository
    "overview.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "benchmarks/RESULTS.md": "benchmarks/RESULTS.md",
    "benchmarks/migrations.svg": "benchmarks/migrations.svg",
}
LINK = re.compile(r"\[([^][]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of docs/."""
    for uri, file in OUTSIDE.items():
        files.append(File.generated(config, uri, abs_src_path=str(REPOSITORY / file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn each link to a file of the repository into one to its page."""
    uri = page.file.src_uri
    folder = posixpath.dirname(OUTSIDE.get(uri, f"docs/{uri}"))
    places = {file: uri for uri, file in OUTSIDE.items()}

    def link(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        file = posixpath.normpath(posixpath.join(folder, target))
        place = places.get(file, file.removeprefix("docs/") if file.startswith("docs/") else None)
        if place is None:
            return text if (REPOSITORY / file).exists() else match[0]
        return f"[{text}]({posixpath.relpath(place, posixpath.dirname(uri) or '.')}{anchor})"

    return LINK.sub(link, markdown)
