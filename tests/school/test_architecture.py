"""The core knows nothing of the sample."""

from __future__ import annotations

import re

import yaml

from mock2pg import resources
from mock2pg.settings import REPOSITORY


def test_python_knows_tables_and_no_entity() -> None:
    """No entity, table or column of the sample is named in src/, which holds the notebooks and the macros, too."""
    declared = yaml.safe_load((REPOSITORY / "dbt_project" / "models" / "_sources.yml").read_text())
    names = set()
    for table in declared["sources"][0]["tables"]:
        path = table.get("config", {}).get("meta", {}).get("path", table["name"])
        names |= {table["name"], re.split(r"\[\]|\.", path)[0]}
        keys = [column.get("config", {}).get("meta", {}).get("path", "") for column in table["columns"]]
        names |= {key for key in keys if re.fullmatch("[a-z]+[A-Z]\\w*", key)}
    names -= {"tests"}  # also what dbt calls its tests
    words = re.compile(r"\b(" + "|".join(sorted(names)) + r"|(?i:student|teacher|classroom|school)s?)\b")
    found = [
        f"{file.relative_to(REPOSITORY)}: {match[0]}"
        for file in (REPOSITORY / "src").rglob("*")
        if file.suffix in (".py", ".sql", ".ipynb", ".html", ".j2", ".md") and file.is_file()
        for match in words.finditer(file.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_no_other_test_reads_the_sample() -> None:
    """The sample can be removed: outside of this folder no test reads its files."""
    folder = re.compile(r'REPOSITORY / "(dbt_project|expectations|mock_data|tests/school)|tests\.school')
    readers = {
        file.relative_to(REPOSITORY).as_posix()
        for file in (REPOSITORY / "tests").rglob("*.py")
        if folder.search(file.read_text(encoding="utf-8")) and (REPOSITORY / "tests" / "school") not in file.parents
    }
    assert readers == set()


def test_its_macros_and_profile_are_those_of_the_package() -> None:
    """dbt by itself finds them in dbt_project/, as relative links: there is one of each."""
    shown = {"macros": resources.MACROS, "profiles.yml": resources.PROFILES}
    links = {REPOSITORY / "dbt_project" / name: file for name, file in shown.items()}
    assert {link: link.resolve() for link in links} == links
    assert not any(link.readlink().is_absolute() for link in links)
