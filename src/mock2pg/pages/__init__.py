"""The pages that a run leaves behind: one frame, one style sheet; the templates of their contents are in the rooms."""

from mock2pg.pages.rendering import Shown, compile_templates, moment, render, shown
from mock2pg.pages.run_links import SITE, RunLinks
from mock2pg.pages.run_list import write_run_list

__all__ = ["SITE", "RunLinks", "Shown", "compile_templates", "moment", "render", "shown", "write_run_list"]
