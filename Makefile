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
TARGETS := init psql dbt doctor status history verify-evidence init-roles help setup lab migrate check-data plan verify backup backups rollback open report runs watch sample test-migration test test-load test-crash test-long bench coverage docs docs-reference lint lock clean
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
TAKE_RUN := lab open report verify-evidence watch
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

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-15s %s\n' "$$name" "$$text"; done

setup: $(READY) ## create .venv from requirements.lock (every target does this by itself)

# The stamp carries the lock's own age: a second run does nothing, a new lock installs what changed.
# --no-deps because the lock is complete; --no-build-isolation because the build backend is locked too; --no-compile
# because most modules are never imported. The lock's own pip comes first: that of Python 3.11 takes twice as long.
PIP = "$(@D)/bin/python" -I -m pip install -qq --disable-pip-version-check --no-compile --no-deps
define environment
	@$(PYTHON) -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mock2pg needs Python 3.11 or later; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@test -x "$(@D)/bin/python" && "$(@D)/bin/python" -I -m pip --version >/dev/null 2>&1 || { rm -rf $(@D); echo "Setting up $(@D) (once, half a minute) ..." >&2; $(PYTHON) -I -m venv $(@D) || { rm -rf $(@D); echo "Python's venv module is incomplete here. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }; }
	@sed -n '/^pip==/,/[^\\]$$/p' requirements.lock > $(@D)/pip.lock && $(PIP) --require-hashes -r $(@D)/pip.lock
	@$(PIP) --require-hashes -r $<
endef
define install
	$(environment)
	@$(PIP) --no-build-isolation --editable .
endef

# What a run loads is compiled here, once: a later user may not be allowed to write into the environment.
$(READY): requirements.lock pyproject.toml
	$(install)
	@for kind in RULES DBT CELLS; do "$(BIN)/python" -I -c "from mock2pg.workers import kinds, serving; serving.load(kinds.$$kind.loads)" & done; "$(BIN)/python" -I -c "import mock2pg.service"; wait
	@touch $@

$(DEV): requirements-dev.lock $(READY)
	@test -e $@ || echo "Adding to $(VENV) what tests and lint need (once, half a minute) ..." >&2
	@$(PIP) --require-hashes -r $<
	@touch $@

$(LAB)/.ready: requirements-lab.lock pyproject.toml
	$(install)
	@touch $@

# Peers alone: mock2pg is measured from its own environment.
$(BENCH)/.ready: requirements-bench.lock
	$(environment)
	@touch $@

migrate: $(READY) ## migrate mock_data/ (or SOURCE=PATH) into PostgreSQL and print the path of the report
	@$(MOCK2PG) migrate $(ARGS) $(source)

init: $(READY) ## make a project for your own mock JSON: make init SOURCE=../app/mocks INTO=../shop
	@$(MOCK2PG) init "$$MOCK2PG_SOURCE" --into "$$MOCK2PG_INTO" $(ARGS)

check-data: $(READY) ## check mock_data/ (or SOURCE=PATH) as migrate does, without any database
	@$(MOCK2PG) check $(ARGS) $(source)

plan: $(READY) ## show what migrating mock_data/ (or SOURCE=PATH) would change; only reads the target
	@$(MOCK2PG) plan $(ARGS) $(source)

verify: $(READY) ## verify the target tables against the published run; only reads
	@$(MOCK2PG) verify $(ARGS)

backup: $(READY) ## take a backup now
	@$(MOCK2PG) backup $(ARGS)

backups: $(READY) ## list the backups
	@$(MOCK2PG) backups $(ARGS)

rollback: $(READY) ## restore a backup: make rollback ID=latest, or ID=backup-...
	@$(MOCK2PG) rollback "$(ID)" $(ARGS)

doctor: $(READY) ## check that the target is ready for a migration, and print every check
	@$(MOCK2PG) doctor $(ARGS)

status: $(READY) ## report the published run, who holds the lock, and leftovers of interrupted runs
	@$(MOCK2PG) status $(ARGS)

history: $(READY) ## list published and attempted runs, newest first
	@$(MOCK2PG) history $(ARGS)

verify-evidence: $(READY) ## verify the folders of all runs (or RUN=...) against their manifests; only reads
	@$(MOCK2PG) verify-evidence $(or $(strip $(RUN) $(ARGS)),--all)

init-roles: $(READY) ## print SQL for a role that can only migrate, and one that can only read
	@$(MOCK2PG) init-roles $(ARGS)

psql: $(READY) ## open psql on the target database
	@$(MOCK2PG) psql $(ARGS)

dbt: $(READY) ## run dbt on the target database: make dbt ARGS="docs serve"
	@$(MOCK2PG) dbt $(ARGS)

open: $(READY) ## open the newest report (or that of RUN=...) in the browser, and print its path
	@$(MOCK2PG) open $(RUN) $(ARGS)

report: $(READY) ## print the path of the newest report (or of RUN=...); build it if it is missing
	@$(MOCK2PG) report $(RUN) $(ARGS)

runs: $(READY) ## list the runs in runs/
	@$(MOCK2PG) runs $(ARGS)

watch: $(READY) ## show the newest run (or RUN=...) on a page while it works; Ctrl-C ends the page
	@$(MOCK2PG) watch $(RUN) $(ARGS)

lab: $(LAB)/.ready ## open the notebooks of the newest run (or RUN=...) in JupyterLab, as copies
	@$(PROJECT) "$(LAB)/bin/python" -I -m mock2pg lab $(RUN) $(ARGS)

sample: $(READY) ## make mock data of any size: make sample ARGS="--rows 10000 --out big"
	@$(MOCK2PG) sample $(ARGS)

test-migration: $(READY) ## run good and bad migrations in a scratch database; the target is never touched
	@$(MOCK2PG) test-migration $(ARGS)

test: $(DEV) ## run the whole test suite; about 10 minutes on two cores
	@"$(BIN)/python" -m pytest -n auto --dist worksteal $(ARGS)

test-load: $(DEV) ## migrate, verify and roll back 30 times, ten at once; about 5 minutes
	@"$(BIN)/python" -m pytest tests/test_load.py --rounds 3 --at-once 10 -n 10 --dist worksteal $(ARGS)

test-crash: $(DEV) ## kill the process and the server 100 times each, while publishing and rolling back; about 15 minutes
	@"$(BIN)/python" -m pytest tests/test_crash_safety.py --moments 100 -n auto --dist worksteal $(ARGS)

test-long: $(DEV) ## migrate 200 times in one process, whose memory must not grow; about 10 minutes
	@"$(BIN)/python" -m pytest tests/test_repeated.py --times 200 -s $(ARGS)

bench: $(READY) $(BENCH)/.ready ## measure against other tools and write benchmarks/RESULTS.md; about 30 minutes
	@"$(BIN)/python" -m benchmarks --peers-environment $(BENCH) $(ARGS)

coverage: $(DEV) ## run the test suite with a coverage report in htmlcov/
	@"$(BIN)/python" -m pytest -n auto --dist worksteal --cov --cov-report=term --cov-report=html $(ARGS)

docs: $(DEV) ## build the documentation as a site in site/, which needs no network; a dead link is an error
	@NO_MKDOCS_2_WARNING=1 "$(BIN)/python" -m mkdocs build --quiet --strict $(ARGS) && echo "Documentation: site/index.html"

lint: $(DEV) ## check lint, format, types, layers and spelling
	@"$(BIN)/ruff" check . && "$(BIN)/ruff" format --check . && "$(BIN)/codespell" *.md docs src && "$(BIN)/mypy" && "$(BIN)/lint-imports"

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header

docs-reference: $(READY) ## write the pages of the commands and the settings, and .env.example, from the code
	@"$(BIN)/python" docs/_site/reference.py

lock: ## write the four lock files from pyproject.toml (needs uv)
	$(COMPILE) --extra sample --group setup --output-file requirements.lock pyproject.toml
	$(COMPILE) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --extra lab --group build --constraint requirements.lock --output-file requirements-lab.lock pyproject.toml
	$(COMPILE) --group bench --output-file requirements-bench.lock

clean: ## stop the embedded server and remove everything that runs made, except backups
	@test ! -x "$(BIN)/python" || $(MOCK2PG) server stop
	rm -rf runs logs .postgres dbt_project/target dbt_project/logs htmlcov site .coverage .coverage.*
