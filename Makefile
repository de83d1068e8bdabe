# Everything needs only make, pip and a python3 >= 3.11; the rest goes into .venv.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help setup demo up test check chaos attack format bench bench-peers docs lock clean

help: ## Show this
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.runtime ## Make .venv with what Opsteward needs to run

.venv/.runtime: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no python3 >= 3.11 found; set PYTHON=/path/to/one"; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv"; $(PYTHON) -m venv .venv; }
	@echo "Installing what Opsteward needs (a minute the first time)"
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	@echo "Installing what tests and checks need"
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

demo: setup ## Break a real shop four times and watch it repaired and proven (KEEP=1 stays up)
	@$(BIN)/opsteward demo $(if $(KEEP),--keep)

up: setup ## Run Opsteward here
	@$(BIN)/opsteward up

test: .venv/.dev ## Run all tests (JOBS=n test processes side by side, else 2)
	@$(BIN)/python -m pytest -n $(or $(JOBS),2)

check: .venv/.dev ## Format, lint, strict types, import contracts, house rules
	@$(BIN)/ruff format --check src tests bench docs
	@$(BIN)/ruff check src tests bench docs
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/architecture

format: .venv/.dev ## Format and mend what can be mended by itself
	@$(BIN)/ruff format src tests bench docs
	@$(BIN)/ruff check --fix src tests bench docs

bench: .venv/.dev ## Measure: fault to repair, start, idle cost, grouping, classification
	@$(BIN)/python -m bench

bench-peers: ## Install what bench.tasks compares with (Celery, Procrastinate, Prefect) into .venv-peers
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check --quiet install -r bench/peers.txt
	@command -v redis-server >/dev/null || echo "There is no redis-server (apt-get install redis-server): Celery is left out"

chaos: .venv/.dev ## Kill workers and the database under 2,000 tasks, and show that nothing is lost (SEED=n repeats a run)
	@$(BIN)/python -m bench.chaos $(if $(SEED),--seed $(SEED))

attack: .venv/.dev ## Send hostile requests to a real instance, and show what it and others come to
	@$(BIN)/python -m bench.attack

docs: .venv/.dev ## Generate the reference pages
	@$(BIN)/python docs/generate.py

lock: .venv/.dev ## Resolve the locks anew
	@$(PIP) install uv
	@$(BIN)/uv pip compile -q pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header -o requirements.lock
	@$(BIN)/uv pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header -o requirements-dev.lock

clean: ## Remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis
