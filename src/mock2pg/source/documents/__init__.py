"""The source document: one file per array, map or object, strictly read, and the way back from a row to its place."""

from mock2pg.source.documents.locations import Location, Query, locate
from mock2pg.source.documents.reading import Document, read
from mock2pg.source.documents.spool import Unpacking

__all__ = ["Document", "Location", "Query", "Unpacking", "locate", "read"]
