"""One outside thing per file; imported by steps and service, never by each other."""
