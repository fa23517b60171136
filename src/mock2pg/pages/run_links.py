"""The links that lead from a page of a run to the others: relative, so that a copy of runs/ keeps them."""

from __future__ import annotations

from dataclasses import dataclass

SITE = ".site"  # the folder, beside those of the runs, of what changes when another run ends


@dataclass(frozen=True)
class RunLinks:
    """The links of the header.

    up  the way from the page's folder to the run's: "" for its report, "../" for a page in notebooks/
    """

    run_id: str
    up: str = ""

    @property
    def is_report(self) -> bool:
        return not self.up

    @property
    def all_runs(self) -> str:
        return f"{self.up}../index.html"

    @property
    def report(self) -> str:
        return f"{self.up}index.html"

    @property
    def older_name(self) -> str:
        """A run is sealed before there is a newer one, and an older one may be pruned: both lead through a redirect."""
        return f"{self.run_id}-older.html"

    @property
    def newer_name(self) -> str:
        return f"{self.run_id}-newer.html"

    @property
    def older(self) -> str:
        return f"{self.up}../{SITE}/{self.older_name}"

    @property
    def newer(self) -> str:
        return f"{self.up}../{SITE}/{self.newer_name}"
