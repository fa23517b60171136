"""Papermill: a notebook is run as a receipt, and shown as a page."""

from mock2pg.report.notebooks.execution import OUTCOME, execute
from mock2pg.report.notebooks.html import export_html

__all__ = ["OUTCOME", "execute", "export_html"]
