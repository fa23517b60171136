"""What a person reads: terminal, log messages, pages, charts and executed notebooks."""
