"""The source document: one file per array, strictly read, and the way back from a row to its place in the source."""

from mock2pg.tools.documents.places import Sought, Spot, locate
from mock2pg.tools.documents.reading import Document, read
from mock2pg.tools.documents.spool import Unpacking

__all__ = ["Document", "Sought", "Spot", "Unpacking", "locate", "read"]
