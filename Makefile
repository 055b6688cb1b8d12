# mlife: thin targets, each one or two lines. `make help` lists them.
# All paths are relative, so that a checkout in a folder with spaces works.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 3000
BIN := .venv/bin
SETUP := .venv/.mlife-setup
export DO_NOT_TRACK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: help setup demo dev test check proofs bench

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: $(SETUP) ## install the tested set into .venv (Python 3.11; no compiler, Node, Docker or account)

$(SETUP): constraints.txt pyproject.toml setup.py
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo 'mlife is tested on Python 3.11 only and found: $(shell "$(PYTHON)" --version 2>&1). Install Python 3.11, or name it: make setup PYTHON=/path/to/python3.11' >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(SETUP)

demo: $(SETUP) ## live three weeks of a production model, minutes (var/demo/summary.json)
	$(BIN)/mlife demo

dev: $(SETUP) ## the Dagster UI on http://127.0.0.1:3000, the pages on :3001 (PORT=... PAGES_PORT=... for others)
	$(BIN)/mlife dev --port $(PORT) $(if $(PAGES_PORT),--pages-port $(PAGES_PORT))

test: $(SETUP) ## all tests but the proofs, on all cores; ARGS='...' goes to pytest
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile $(ARGS)

check: $(SETUP) ## linters, formatting, types, layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m mypy && $(BIN)/lint-imports --no-logo

proofs: $(SETUP) ## slow evidence: crashes, long histories, other engines
	$(BIN)/python -m pytest -m proof $(ARGS)

bench: $(SETUP) ## the measured comparisons of benchmarks/ (gate.py runs off_policy.py; attacked_days.py takes an hour: run it by itself)
	for file in $(filter-out benchmarks/off_policy.py benchmarks/attacked_days.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python "$$file"; done
