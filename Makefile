# `make run` and `make test` do all the set-up they need, in .venv; the second time they find it done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Where the system has no fit Node, scripts/node_packages.sh puts one into the venv.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run test setup lint types format bench clean

help:  ## what can be made
	@sed -n 's/^\([a-z]*\):.*  ## /  make \1	/p' $(MAKEFILE_LIST)

run: $(VENV)/.ready-run  ## the server on http://127.0.0.1:3000; PORT and MONGODB_URI are honoured
	$(BIN)/python -m server

test: setup lint types  ## every check: lint, types, the JS client's tests, all of pytest
	@if command -v node >/dev/null; then cd rpc_sessions/client && node --test; fi
	$(BIN)/python -m pytest -n 4 --dist loadfile  # most tests wait: for sockets, servers, browsers

setup: $(VENV)/.ready-dev  ## all that the tests need
	@scripts/system_packages.sh
	@scripts/node_packages.sh tests/npm

lint: $(VENV)/.ready-dev  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# Each example stands alone, with a module called app: checked by itself, as its user would.
types: $(VENV)/.ready-dev  ## mypy, strict
	$(BIN)/mypy
	@set -e; for example in $(wildcard examples/*/); do \
	    echo "mypy $$example"; \
	    MYPYPATH=$$example $(BIN)/mypy --allow-untyped-defs --allow-incomplete-defs $$example; \
	done

format: $(VENV)/.ready-dev  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.ready-bench  ## this server and its peers, side by side; ARGS="--help" for some of it
	@scripts/node_packages.sh benchmarks/peers
	$(BIN)/python -m benchmarks.run $(ARGS)

clean:  ## back to a fresh clone
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache tests/npm/node_modules benchmarks/peers/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "Python 3.11 or newer is missing. On Debian or Ubuntu: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$$($(PYTHON) --version) is too old, 3.11 or newer is needed. Name another: make PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "Python's venv is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-run: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.ready-dev: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.ready-run

$(VENV)/.ready-bench: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[bench]'
	@touch $@ $(VENV)/.ready-run
