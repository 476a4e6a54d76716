# Two commands: `make run` and `make test`. Both set up .venv by themselves, once; after that no network is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
CONFIG ?= config/aggregator.yaml
# Test files run side by side in so many processes, which wait for a third of their time; what measures time and memory runs alone.
JOBS ?= 3
ALONE = tests/hostile tests/e2e/test_extremes.py
SIDE_BY_SIDE = --dist loadfile --no-loadscope-reorder

.PHONY: help run test check format bench clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Set up once, then run the daemon in the foreground on config/ (stop with Ctrl-C)
	@exec $(BIN)/aggregator run --config $(CONFIG)

test: $(VENV)/.installed-dev ## Set up once, then run the tests (one file: make test ARGS=tests/test_items.py)
	$(BIN)/python -m pytest -q -m "not slow" -n $(JOBS) $(SIDE_BY_SIDE) $(ARGS)

slow: $(VENV)/.installed-dev ## The slower tests on recorded data in ../shared
	$(BIN)/python -m pytest -q -m slow $(ALONE) $(ARGS)
	$(BIN)/python -m pytest -q -m slow $(ALONE:%=--ignore %) -n $(JOBS) $(SIDE_BY_SIDE) $(ARGS)

check: $(VENV)/.installed-dev ## Formatting, lint, types, layers, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(VENV)/.installed-dev ## Format the code and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev ## Time whole runs over the recorded sites in ../shared (shorter: ARGS=--quick)
	$(BIN)/python -m bench $(ARGS)

clean: ## Remove .venv and caches; data/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) (once) ..."
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) with the tools for testing (once) ..."
	@$(PIP) install --constraint constraints.txt --editable '.[dev,postgres]'
	@touch $@ $(VENV)/.installed
