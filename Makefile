# Two commands matter: `make demo` and `make test`. Both install what they need, with pip alone.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CANONRY_HOME ?= $(CURDIR)/.canonry
export CANONRY_HOME
export CANONRY_DATA ?= $(abspath $(CURDIR)/../shared/data)
export DAGSTER_HOME ?= $(CANONRY_HOME)/dagster

.PHONY: help demo test test-system check ui bench schemas clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

# Of 30,000 modules most are never imported; those that are, Python compiles then.
$(VENV)/.installed: constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed ## Run the whole loop on the documentation assistant (LABEL_STUDIO=1: labeled on a server)
	$(BIN)/canonry demo $(if $(LABEL_STUDIO),--label-studio)

# Two workers on two cores: where each started two threads, they would wait for each other.
test test-system: export OMP_NUM_THREADS ?= 1

test: $(VENV)/.installed ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/system

test-system: $(VENV)/.installed ## Run the tests on real servers and a browser (Debian's chromium and postgresql): 10 to 20 minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/system

check: $(VENV)/.installed ## Lint, format, types, SQL, walls, catalog: in seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --nocolor --disable-progress-bar dbt/models dbt/tests dbt/macros
	$(BIN)/lint-imports
	$(BIN)/canonry check

ui: $(VENV)/.installed ## Open the Dagster UI on http://127.0.0.1:3000
	$(BIN)/canonry ui

bench: $(VENV)/.installed ## Measure every claim of speed, quickly
	@for name in $(basename $(notdir $(wildcard bench/[a-z]*.py))); do $(BIN)/python -m bench.$$name --quick || exit 1; done

schemas: $(VENV)/.installed ## Write assets/.schema anew
	$(BIN)/canonry check --write-schemas

clean: ## Remove the demo's zones (not the environment)
	rm -rf .canonry
