# Every target sets up what it needs. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The project is named, so that it is this one, whoever owns it.
PROJECT := MIGRATION_PROJECT="$${MIGRATION_PROJECT:-$$PWD}"
MOCK2PG := $(PROJECT) "$(BIN)/python" -I -m mock2pg  # -I: no variable of Python, no module of the current directory
READY := $(VENV)/.ready
DEV := $(VENV)/.ready-dev
LAB := .venv-lab
BENCH := .venv-bench
# What may be given on the command line; variables of these names in the environment are somebody else's.
ARGS =
SOURCE =
INTO =
ID =
RUN =

.DEFAULT_GOAL := help
TARGETS := init psql dbt doctor settings status history verify-evidence init-roles help setup lab migrate check-data plan verify backup backups rollback open report runs watch metrics sample test-migration test test-load test-crash test-long bench coverage docs docs-reference lint lock clean
.PHONY: $(TARGETS)

# A word that is neither a target nor a variable would be ignored, and the sample migrated in its place.
STRAY := $(filter-out $(TARGETS) $(READY) $(DEV) $(LAB)/.ready $(BENCH)/.ready,$(MAKECMDGOALS))
TYPE_migrate = SOURCE="$(STRAY)"
TYPE_plan = SOURCE="$(STRAY)"
TYPE_check-data = SOURCE="$(STRAY)"
TYPE_rollback = ID=$(STRAY)
TYPE_lab = RUN=$(STRAY)
ifneq ($(STRAY),)
FIRST := $(firstword $(filter $(TARGETS),$(MAKECMDGOALS)))
$(error There is no target `$(STRAY)`. $(if $(TYPE_$(FIRST)),Type: make $(FIRST) $(TYPE_$(FIRST)),$(if $(FIRST),What follows `mock2pg $(FIRST)` goes into ARGS="...",`make` lists the targets)))
endif

# A variable that nothing reads is a mistake, too. What an outer make was given is not for this one.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(filter-out ARGS SOURCE INTO ID RUN PYTHON VENV LAB BENCH DATABASE_URL DEBUG GITHUB_WORKSPACE MIGRATION_% PIP_% PG%,$(GIVEN))
TAKE_SOURCE := init migrate plan check-data
TAKE_INTO := init
TAKE_ID := rollback
TAKE_RUN := lab metrics open report verify-evidence watch
ifeq ($(MAKELEVEL),0)
$(foreach name,SOURCE INTO ID RUN,$(if $(filter $(name),$(GIVEN)),$(if $(filter $(TAKE_$(name)),$(MAKECMDGOALS)),,$(error make $(MAKECMDGOALS) takes no $(name): that is for $(TAKE_$(name))))))
endif
ifeq ($(MAKELEVEL)$(if $(UNKNOWN),,none),0)
$(error make has no variable $(UNKNOWN) here. It takes ARGS="options of the command", SOURCE=PATH, INTO=FOLDER, ID=BACKUP, RUN=RUN, and settings (DATABASE_URL, MIGRATION_...))
endif
ifeq ($(filter SOURCE,$(GIVEN))$(value SOURCE),SOURCE)
$(error SOURCE is empty: name a path)
endif
ifneq ($(filter init,$(MAKECMDGOALS)),)
$(if $(and $(value SOURCE),$(value INTO)),,$(error Name your JSON and a new folder: make init SOURCE=../app/mocks INTO=../shop))
endif
export MOCK2PG_SOURCE = $(value SOURCE)
export MOCK2PG_INTO = $(value INTO)
source = $(if $(value SOURCE),"$$MOCK2PG_SOURCE")

# The stamp carries the lock's own age: a second run does nothing, a new lock installs what changed.
# --no-deps because the lock is complete; --no-build-isolation because the build backend is locked too; --no-compile
# because most modules are never imported. The lock's own pip comes first: that of Python 3.11 takes twice as long.
PIP = "$(@D)/bin/python" -I -m pip install -qq --disable-pip-version-check --no-compile --no-deps
# await TEXT COMMAND...: on a terminal TEXT and the seconds that the command takes, elsewhere TEXT alone. The command is
# the foreground's, so that Ctrl-C ends it.
define AWAIT
await() { \
text=$$1; shift; \
if test ! -t 2 || test "$${TERM:-dumb}" = dumb; then echo "$$text ..." >&2; "$$@"; return; fi; \
( n=0; while kill -0 $$$$ 2>/dev/null; do printf '\r%s ... %s s ' "$$text" $$((n / 5)); n=$$((n + 1)); sleep 0.2; done ) >&2 & \
trap "kill $$! 2>/dev/null; wait $$! 2>/dev/null; printf '\\r\\033[K' >&2" EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
"$$@"; }
endef
# Expanded when the recipe begins, and run when it ends.
TOOK = s=$$(($$(date +%s) - $(shell date +%s))); \
test $$s -lt 60 && took="$$s s" || took="$$((s / 60)) min $$((s % 60)) s"; echo "$(1) in $$took." >&2
define environment
	@$(PYTHON) -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mock2pg needs Python 3.11 or later; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@$(AWAIT); test -x "$(@D)/bin/python" && "$(@D)/bin/python" -I -m pip --version >/dev/null 2>&1 || { rm -rf $(@D); echo "Setting up $(@D) (once, half a minute):" >&2; await "  making the environment" $(PYTHON) -I -m venv $(@D) || { rm -rf $(@D); echo "Python's venv module is incomplete here. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }; }
	@sed -n '/^pip==/,/[^\\]$$/p' requirements.lock > $(@D)/pip.lock && $(AWAIT); await "  installing pip" $(PIP) --require-hashes -r $(@D)/pip.lock
	@$(AWAIT); await "  installing $$(grep -c == $<) packages" $(PIP) --require-hashes -r $<
endef
define install
	$(environment)
	@$(AWAIT); await "  installing mock2pg" $(PIP) --no-build-isolation --editable .
endef

# What a run loads is compiled here, once: a later user may not be allowed to write into the environment.
$(READY): requirements.lock pyproject.toml
	$(install)
	@$(AWAIT); compile() ( for kind in RULES DBT CELLS; do "$(BIN)/python" -I -c "from mock2pg.workers import kinds, serving; serving.load(kinds.$$kind.loads)" & done; "$(BIN)/python" -I -c "import mock2pg.service"; wait ); await "  compiling" compile
	@touch $@
	@$(call TOOK,Set up $(@D))

$(DEV): requirements-dev.lock $(READY)
	@test -e $@ || echo "Adding the tools of test and lint to $(VENV) (once, half a minute):" >&2
	@$(AWAIT); await "  installing $$(grep -c == $<) packages" $(PIP) --require-hashes -r $<
	@touch $@
	@$(call TOOK,Set up the tools of test and lint)

$(LAB)/.ready: requirements-lab.lock pyproject.toml
	$(install)
	@touch $@
	@$(call TOOK,Set up $(@D))

# Peers alone: mock2pg is measured from its own environment.
$(BENCH)/.ready: requirements-bench.lock
	$(environment)
	@touch $@

##@ Migrate

init: $(READY) ## Make a project that migrates your own mock JSON.
	@$(MOCK2PG) init "$$MOCK2PG_SOURCE" --into "$$MOCK2PG_INTO" $(ARGS)

check-data: $(READY) ## Check the source as migrate does, without a database.
	@$(MOCK2PG) check $(source) $(ARGS)

plan: $(READY) ## Show what a migration would change, and change nothing.
	@$(MOCK2PG) plan $(source) $(ARGS)

migrate: $(READY) ## Migrate the source into PostgreSQL, and verify the result.
	@$(MOCK2PG) migrate $(source) $(ARGS)

verify: $(READY) ## Verify the target tables against the published run.
	@$(MOCK2PG) verify $(ARGS)

##@ Go back

backup: $(READY) ## Take a backup of the target schema.
	@$(MOCK2PG) backup $(ARGS)

backups: $(READY) ## List the backups, newest first.
	@$(MOCK2PG) backups $(ARGS)

rollback: $(READY) ## Restore the target schema from a backup.
	@$(MOCK2PG) rollback "$(ID)" $(ARGS)

##@ Look

status: $(READY) ## Show the published run, the lock holder and leftovers.
	@$(MOCK2PG) status $(ARGS)

history: $(READY) ## List published and attempted runs, newest first.
	@$(MOCK2PG) history $(ARGS)

metrics: $(READY) ## Print the metrics of a run for Prometheus.
	@$(MOCK2PG) metrics $(RUN) $(ARGS)

report: $(READY) ## Print the path of a run's report.
	@$(MOCK2PG) report $(RUN) $(ARGS)

open: $(READY) ## Open a run's report in the browser.
	@$(MOCK2PG) open $(RUN) $(ARGS)

watch: $(READY) ## Show runs on a page while they work.
	@$(MOCK2PG) watch $(RUN) $(ARGS)

doctor: $(READY) ## Check that the target is ready for a migration.
	@$(MOCK2PG) doctor $(ARGS)

settings: $(READY) ## List the settings with value, origin and meaning.
	@$(MOCK2PG) settings $(ARGS)

runs: $(READY) ## List the runs in runs/, newest first.
	@$(MOCK2PG) runs $(ARGS)

##@ Develop

test-migration: $(READY) ## Run good and bad migrations in a scratch database.
	@$(MOCK2PG) test-migration $(ARGS)

sample: $(READY) ## Make mock data of any size.
	@$(MOCK2PG) sample $(ARGS)

dbt: $(READY) ## Run dbt on the target database.
	@$(MOCK2PG) dbt $(ARGS)

psql: $(READY) ## Open psql on the target database.
	@$(MOCK2PG) psql $(ARGS)

lab: $(LAB)/.ready ## Open a run's notebooks in JupyterLab, as copies.
	@$(PROJECT) "$(LAB)/bin/python" -I -m mock2pg lab $(RUN) $(ARGS)

##@ Audit

verify-evidence: $(READY) ## Verify the folders of runs against their manifests.
	@$(MOCK2PG) verify-evidence $(or $(strip $(RUN) $(ARGS)),--all)

init-roles: $(READY) ## Print SQL for a migrating and an auditing role.
	@$(MOCK2PG) init-roles $(ARGS)

##@ Contribute

test: $(DEV) ## Run the test suite; about 10 minutes on two cores.
	@"$(BIN)/python" -m pytest -n auto --dist worksteal $(ARGS)

test-load: $(DEV) ## Migrate 30 times, ten at once; about 5 minutes.
	@"$(BIN)/python" -m pytest tests/test_load.py --rounds 3 --at-once 10 -n 10 --dist worksteal $(ARGS)

test-crash: $(DEV) ## Kill the process and the server 100 times; about 15 minutes.
	@"$(BIN)/python" -m pytest tests/test_crash_safety.py --moments 100 -n auto --dist worksteal $(ARGS)

test-long: $(DEV) ## Migrate 200 times in one process; about 10 minutes.
	@"$(BIN)/python" -m pytest tests/test_repeated.py --times 200 -s $(ARGS)

coverage: $(DEV) ## Run the test suite, and report its coverage.
	@"$(BIN)/python" -m pytest -n auto --dist worksteal --cov --cov-report=term --cov-report=html $(ARGS)

lint: $(DEV) ## Check lint, format, types, layers and spelling.
	@"$(BIN)/ruff" check . && "$(BIN)/ruff" format --check . && "$(BIN)/codespell" *.md docs src && "$(BIN)/mypy" && "$(BIN)/lint-imports"

docs: $(DEV) ## Build the documentation as a site in site/.
	@NO_MKDOCS_2_WARNING=1 "$(BIN)/python" -m mkdocs build --quiet --strict $(ARGS) && echo "Documentation: site/index.html"

docs-reference: $(READY) ## Write the pages of commands and settings from the code.
	@"$(BIN)/python" docs/_site/reference.py

bench: $(READY) $(BENCH)/.ready ## Measure against other tools; about 30 minutes.
	@"$(BIN)/python" -m benchmarks --peers-environment $(BENCH) $(ARGS)

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header

lock: ## Write the lock files from pyproject.toml (needs uv).
	$(COMPILE) --extra sample --group setup --output-file requirements.lock pyproject.toml
	$(COMPILE) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --extra lab --group build --constraint requirements.lock --output-file requirements-lab.lock pyproject.toml
	$(COMPILE) --group bench --output-file requirements-bench.lock

clean: ## Stop the server, and remove what runs made, not backups.
	@test ! -x "$(BIN)/python" || $(MOCK2PG) server stop
	rm -rf runs logs .postgres dbt_project/target dbt_project/logs htmlcov site .coverage .coverage.*

##@ Help

help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "%s%s:\n", nl, substr($$0, 5); nl = "\n"} \
	/^[a-z-]+:.*## / {printf "  %-15s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n%s\n%s\n%s\n' 'Variables: SOURCE=PATH (init, check-data, plan, migrate), INTO=FOLDER (init),' \
	'ID=BACKUP (rollback), RUN=RUN_ID (report, open, watch, lab, verify-evidence),' \
	'settings, and ARGS="..." for the options that `mock2pg help COMMAND` explains.'

setup: $(READY) ## Create .venv, as every target does by itself.
