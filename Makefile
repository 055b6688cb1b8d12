# mlife: thin targets, each one or two lines. `make help` lists them.
# All paths are relative, so that a checkout in a folder with spaces works.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 3000
BIN := .venv/bin
SETUP := .venv/.mlife-setup
INFRA := .venv-infra
EMULATOR := .venv-emulator
AWS_SETUP := .venv-aws/.mlife-setup
CORES := $(shell "$(PYTHON)" -c 'import os; print(min(os.cpu_count() or 1, 8))')
XDIST := -n $(CORES) --dist loadfile --no-loadscope-reorder
export DO_NOT_TRACK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Compiled modules are kept, whatever the shell says: a process that may not write them compiles Dagster and pandas at each start.
unexport PYTHONDONTWRITEBYTECODE

# Pip installs uv alone, by its hash in constraints.txt; uv installs the rest. It reads no settings of pip, so the index that
# pip is configured for is handed on, unless uv has one of its own.
WITH_INDEX = index="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}}"; \
  env $${index:+UV_DEFAULT_INDEX="$$index"}
UV = $(WITH_INDEX) $(BIN)/uv --quiet pip
LOCK = $(UV) compile pyproject.toml --python-version 3.11 --universal --generate-hashes --custom-compile-command 'make lock'

.PHONY: dist help setup demo demo-full demo-quick dev test check house proofs aws ci bench mutants same-bytes delivery-setup lock infra-setup infra-check

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

setup: $(SETUP) ## install the tested set into .venv (Python 3.11; no compiler, Node, Docker or account)

$(SETUP): constraints.txt pyproject.toml setup.py
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo 'mlife is tested on Python 3.11 only and found: $(shell "$(PYTHON)" --version 2>&1). Install Python 3.11, or name it: make setup PYTHON=/path/to/python3.11' >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r <(sed -n '/^uv==/,/[^\\]$$/p' constraints.txt)
	@$(UV) sync --python $(BIN)/python --require-hashes constraints.txt
	@$(BIN)/uv --quiet pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(SETUP)

demo: $(SETUP) ## twelve days of a production model, about 10 CPU-minutes (var/demo/summary.json)
	$(BIN)/mlife demo

demo-full: $(SETUP) ## three weeks of it, with days between the events
	MLIFE_DEMO_DAYS=21 MLIFE_DEMO_EVENT_DAYS='[3,10,14]' $(BIN)/mlife demo

demo-quick: $(SETUP) ## the same with fewer people and days, for CI; `make demo` replaces it
	MLIFE_MARKET_USERS=4000 MLIFE_MARKET_JOBS=500 MLIFE_DEMO_DAYS=7 MLIFE_DEMO_EVENT_DAYS='[1,3,6]' \
	  $(BIN)/mlife demo

dev: $(SETUP) ## the Dagster UI on http://127.0.0.1:3000, the pages on :3001 (PORT=... PAGES_PORT=... for others)
	$(BIN)/mlife dev --port $(PORT) $(if $(PAGES_PORT),--pages-port $(PAGES_PORT))

test: $(SETUP) ## all tests but the proofs, on all cores; ARGS='...' goes to pytest
	$(BIN)/python -m pytest $(XDIST) $(ARGS)

check: $(SETUP) ## linters, formatting, types, layers, and what `make house` says
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m mypy && $(BIN)/lint-imports --no-logo
	$(BIN)/python -m tools.house

house: $(SETUP) ## figures of the house against their budgets; ARGS=--walks names rooms, ARGS=--lower lowers budgets
	$(BIN)/python -m tools.house $(ARGS)

mutants: $(SETUP) ## changes of the code that tests must notice, each made alone (mutants.toml); ARGS='words' chooses
	$(BIN)/python -u -m tools.mutants $(ARGS)

proofs: $(SETUP) ## slow evidence on all cores: crashes, long histories, other engines
	$(BIN)/python -m pytest -m proof $(XDIST) $(ARGS)

aws: $(AWS_SETUP) $(EMULATOR)/.mlife-setup ## what holds on AWS, as far as it can be shown without an account; ARGS='...' goes to pytest
	PYTHONPATH="$(CURDIR)/.venv-aws/lib/python3.11/site-packages" $(BIN)/python -m pytest -m aws $(XDIST) $(ARGS)

# Each target in a process of its own, so that the home of the demo and CI's variables are those of its lines alone.
ci: $(SETUP) ## all that has to hold before a change is shown or deployed, as CI runs it: an hour on two cores
	$(MAKE) check
	CI=true $(MAKE) test
	$(MAKE) mutants
	cp docs/infra_tests.md .venv/committed_infra_tests.md
	$(MAKE) infra-check
	diff .venv/committed_infra_tests.md docs/infra_tests.md # the page that it writes is the one that was committed
	CI=true $(MAKE) aws
	home=$$(mktemp --directory); trap 'rm --recursive --force "$$home"' EXIT; MLIFE_HOME="$$home/demo" $(MAKE) demo-quick
	CI=true $(MAKE) proofs

# Packages of the laptop are seen from there, those of AWS lie on top: what holds them back stays out of `make test`.
$(AWS_SETUP): $(SETUP) constraints-aws.txt
	"$(PYTHON)" -m venv .venv-aws
	@$(BIN)/uv --quiet pip install --python .venv-aws/bin/python --no-deps --require-hashes -r constraints-aws.txt
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > .venv-aws/lib/python3.11/site-packages/laptop.pth
	@touch $(AWS_SETUP)

delivery-setup: $(SETUP) ## add what `mlife infra` needs to .venv: for pipelines, since it holds back what `make test` tests
	@$(BIN)/uv --quiet pip install --python $(BIN)/python --no-deps --require-hashes -r constraints-aws.txt

lock: $(SETUP) ## pin pyproject.toml again: constraints.txt, what AWS needs on top, what the image has; ARGS=--upgrade: newer
	$(LOCK) --extra dev --extra market --extra server --group setup --group lean --output-file constraints.txt $(ARGS)
	$(LOCK) --extra aws --extra market --group lean --group aws-tests --constraints constraints.txt --output-file constraints-aws.txt $(ARGS) \
	  $$(sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package \1/p' constraints.txt)
	$(LOCK) --extra aws --extra market --group lean --constraints constraints.txt --constraints constraints-aws.txt \
	  --output-file deploy/requirements.txt $(ARGS)
	$(UV) compile infra/requirements.in --overrides infra/overrides.txt --python-version 3.11 --universal --generate-hashes --custom-compile-command 'make lock' \
	  --output-file infra/requirements.txt $(ARGS)
	$(UV) compile infra/emulator.in --python-version 3.11 --universal --generate-hashes --custom-compile-command 'make lock' \
	  --output-file infra/emulator.txt $(ARGS)

infra-setup: $(INFRA)/.mlife-setup ## linters of templates, workflows and shell into .venv-infra; nothing else needs them

$(INFRA)/.mlife-setup: infra/requirements.txt $(SETUP)
	"$(PYTHON)" -m venv --without-pip $(INFRA)
	@$(UV) sync --python $(INFRA)/bin/python --require-hashes infra/requirements.txt
	@touch $@

$(EMULATOR)/.mlife-setup: infra/emulator.txt $(SETUP)
	"$(PYTHON)" -m venv --without-pip $(EMULATOR)
	@$(UV) sync --python $(EMULATOR)/bin/python --require-hashes infra/emulator.txt
	@touch $@

infra-check: infra-setup ## lint, render and judge infra/, plant faults in it, try every role; writes docs/infra_tests.md
	$(BIN)/python -m infra.gate --tools $(INFRA)/bin --write docs/infra_tests.md

dist: $(SETUP) ## wheel and source archive into dist/, as a release has them; twine looks at both
	rm --recursive --force dist
	$(BIN)/uv --quiet build --no-build-isolation --python $(BIN)/python --out-dir dist
	@$(WITH_INDEX) $(BIN)/uv --quiet tool run twine@7.0.0 check --strict dist/*

same-bytes: $(SETUP) ## REV=<revision> and this checkout make the same homes, or where not; ONLY="demo standalone project"
	$(BIN)/python -m tools.same_bytes $(REV) $(if $(ONLY),--only $(ONLY)) $(if $(WORK),--work $(WORK))

bench: $(SETUP) ## the measured comparisons of benchmarks/ (gate.py runs off_policy.py; age.py, attacked_days.py, recovery.py, replays.py, server_demo.py, standalone_month.py and waiting.py take long: run them by themselves)
	missed=; for file in $(filter-out benchmarks/off_policy.py benchmarks/age.py benchmarks/attacked_days.py benchmarks/recovery.py benchmarks/replays.py benchmarks/server_demo.py benchmarks/standalone_month.py benchmarks/waiting.py benchmarks/parts_of_tests.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python "$$file" || missed="$$missed $$file"; done; \
	  test -z "$$missed" || { echo "failed, or missed a claim:$$missed" >&2; exit 1; }
