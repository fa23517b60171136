"""Publishing: preflight, merge by difference, unique conflicts, alterations, deletion limits."""
