"""One step of the pipeline per file: `run(run)` returns what it found, a class of `step_results`."""
