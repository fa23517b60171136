"""The workers that mock2pg has, and what each loads before it is needed."""

from mock2pg.workers.worker import Kind

MANY_ROWS = 200_000  # in a run of more, its steps need the memory that workers hold while they wait

RULES = Kind("judges the rules", ("mock2pg.checks:warm",))
DBT = Kind("runs dbt", ("mock2pg.build.dbt_project", "mock2pg.build.patched_dbt"))
CELLS = Kind(
    "runs its cells",
    (
        *(f"mock2pg.pipeline.steps.{step}" for step in ("backup", "verify", "rollback")),
        "mock2pg.pipeline.notebook",
        "mock2pg.report.charts",
        "mock2pg.report.notebooks.engine:warm",
    ),
)

# What a command needs first, which is begun before its arguments are read.
FIRST = {
    **dict.fromkeys(("check", "load", "migrate", "plan"), RULES),
    **dict.fromkeys(("backup", "rollback", "verify"), CELLS),
}
