"""Papermill and nbconvert: a notebook is run as a receipt, and shown as a page."""

from mock2pg.tools.notebooks.execution import OUTCOME, Parameter, declared, execute
from mock2pg.tools.notebooks.kernels import prepare
from mock2pg.tools.notebooks.showing import export_html

__all__ = ["OUTCOME", "Parameter", "declared", "execute", "export_html", "prepare"]
