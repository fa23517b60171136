"""One step of the pipeline per file: `run(run) -> StepResult`."""
