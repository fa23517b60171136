"""The benchmark: what a migration costs, beside tools that load only, in one run on one server."""
