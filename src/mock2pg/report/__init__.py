"""Output for people: terminal, log messages, pages, charts and executed notebooks."""
