"""The entity-relationship diagram of the target tables."""

from mock2pg.pages.diagram.svg import anchor, er_diagram, marks, type_of

__all__ = ["anchor", "er_diagram", "marks", "type_of"]
