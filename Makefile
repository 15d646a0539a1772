# One verb per job; continuous integration runs the same verbs. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
TESTS ?= tests
JOBS ?= 2
NAMES ?=
WRITE ?=
FOLDER ?= demo

.PHONY: help demo test check format bench fuzz outputs constraints clean browser

help: ## list what make can do here
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.learn ## the whole study on four synthetic cores, in ./demo (FOLDER=... elsewhere); go on after a stop
	$(BIN)/soilscope demo $(FOLDER)

test: $(VENV)/.develop browser ## every test, the browser's too (TESTS=tests/core for some, JOBS=1 for one after the other)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(TESTS)

check: $(VENV)/.develop ## format, lint, types, layers, forbidden calls; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/repository/forbidden_calls.py src benchmarks

format: $(VENV)/.develop ## bring the code into the agreed form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz: $(VENV)/.develop ## read 10,000 spoilt scan files and archives: only typed errors, within 5 s and 1 GB each
	SOILSCOPE_FUZZ=10000 $(BIN)/python -m pytest tests/faults

bench: $(VENV)/.develop ## benchmarks against their peers, one JSON line each (NAMES="recipe unseen" for some; WRITE=--write keeps them in RESULTS.md)
	$(BIN)/python -m benchmarks $(NAMES) --json $(WRITE)

outputs: $(VENV)/.develop ## write anew what the documents' Python blocks print; look at the difference
	$(BIN)/python tests/repository/refresh_outputs.py README.md

constraints: $(VENV)/.develop ## write constraints.txt from what is installed now
	{ sed -n '/^#/p' constraints.txt; \
	  $(PIP) freeze --exclude-editable --exclude soilscope | sed -E 's/^([^=]+==[^+]+)\+.*$$/\1/' | LC_ALL=C sort -f; } > constraints.new
	mv constraints.new constraints.txt

clean: ## remove the environment and what tools left (a demo's folder stays)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist

# An environment is ready when its stamp is newer than what it is made from.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, not %d.%d; name one: make PYTHON=python3.12" \
	  % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.learn: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Soilscope with what learns into $(VENV) (some minutes the first time)"
	$(PIP) install --quiet -c constraints.txt -e '.[learn]'
	@touch $@

$(VENV)/.develop: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Soilscope with its tests, checks and peers into $(VENV) (some minutes the first time)"
	$(PIP) install --quiet -c constraints.txt -e '.[learn,test,bench,dev]'
	@touch $(VENV)/.learn $@

# Browser tests use Debian's Chromium; where it is absent and cannot be installed they skip and say so.
browser:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the browser tests"; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium fonts-liberation \
	    >/dev/null; } || echo "Chromium could not be installed; the browser tests will skip"; \
	fi
