"""All files of a project but its data: what each is called, and its text."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from importlib.resources import files as resources

from mock2pg.init.conclusions import Conclusions
from mock2pg.init.writing import constraint_names as names
from mock2pg.init.writing import declarations, models, review, rules

_TEMPLATES = {
    "Makefile": "Makefile",
    "README.md": "README.md",
    "pyproject.toml": "project.toml",
    ".gitignore": "gitignore",
    ".env.example": "env.example",
    "dbt_project/dbt_project.yml": "dbt_project.yml",
}


def files(conclusions: Conclusions, name: str, data: str = "mock_data") -> dict[str, str]:
    """Return the text of every file, by its path in the project. The same conclusions give the same texts.

    data  the source that the project migrates: a folder, or a document, in the project
    """
    words = {
        "TITLE": name,
        "DBT_NAME": names.dbt_name(name),
        "PACKAGE_NAME": names.package_name(name),
        "VERSION": version("mock2pg"),
        "DATA": json.dumps(data, ensure_ascii=False),  # a text of TOML, too
    }
    found = {file: _filled(template, words) for file, template in _TEMPLATES.items()}
    found |= {
        "INIT.md": review.page(conclusions),
        "dbt_project/models/_sources.yml": declarations.sources(conclusions),
        "backups/.gitkeep": "",
    }
    named = names.of_models(entity.name for entity in conclusions.entities)
    for entity in conclusions.entities:
        model = f"dbt_project/models/{named[entity.name]}"
        found[f"{model}.sql"] = models.sql(entity)
        found[f"{model}.yml"] = models.contract(entity, named)
        if suite := rules.suite(entity):
            found[f"expectations/{named[entity.name]}.json"] = suite
    if not any(file.startswith("expectations/") for file in found):
        found["expectations/.gitkeep"] = ""
    return found


def made_by() -> str:
    """Return local.mk: the Python that has this mock2pg, on this machine."""
    python = sys.executable.replace("$", "$$").replace("#", "\\#")
    return f"# The mock2pg that made this project, on this machine. git ignores this file.\nMADE_BY := {python}\n"


def _filled(template: str, words: dict[str, str]) -> str:
    text = (resources("mock2pg.init.writing") / "templates" / template).read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text
