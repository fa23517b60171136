"""Concludes tables, columns, types, keys and references, each with its evidence."""
