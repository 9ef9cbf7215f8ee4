# Everloop's commands. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
ARGS ?=

.PHONY: help setup demo run test test-all check lint bench-serving bench-registry soak-serving fix docs clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.everything ## Make the virtual environment with everything in it
	@echo "ready: $(BIN)/everloop --help"

demo: $(VENV)/.platform ## Watch a model live through a year of real flights (ARGS="--months 3 --sample 0.2" shortens it)
	@exec $(BIN)/everloop demo $(ARGS)

run: $(VENV)/.platform ## Run the whole platform on this machine until Ctrl-C
	@exec $(BIN)/everloop up $(ARGS)

test: $(VENV)/.everything ## Run the full test suite
	@exec $(BIN)/python -m pytest $(ARGS)

test-all: test ## Run the full test suite, and the demo in a short form
	@$(BIN)/everloop demo --months 2 --sample 0.2 --json > /dev/null

check: lint ## Lint and the quick tests (three minutes)
	$(BIN)/python -m pytest -q tests/unit tests/contracts tests/architecture -m "not slow and not ray and not docker and not postgres"

lint: $(VENV)/.everything ## Format, lint, types, import rules, generated files
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo > /dev/null || $(BIN)/lint-imports --no-logo
	$(BIN)/python -m docs.generate --check

bench-serving: $(VENV)/.everything ## Serve one model by Everloop and its peers, side by side (ARGS="--rounds 1" is quicker)
	@exec $(BIN)/python -m tests.benchmarks.serving --install $(ARGS)

bench-registry: $(VENV)/.everything ## Ask the registry and a stock MLflow server the same, side by side (ARGS="--runs 1000 --seconds 2" is quicker)
	@exec $(BIN)/python -m tests.benchmarks.registry --install $(ARGS)

soak-serving: $(VENV)/.everything ## Promote under a constant load for five minutes (ARGS="--replicas 2 --kill-every 20" kills replicas, too)
	@exec $(BIN)/python -m tests.load.promotions $(ARGS)

fix: $(VENV)/.everything ## Repair format and lint
	$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format --quiet

docs: $(VENV)/.everything ## Write every generated file again
	$(BIN)/python -m docs.generate

clean: ## Remove the virtual environment and caches (never your data)
	rm -rf $(VENV) .venv-bench build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# The platform alone, for `make demo` and `make run`; the rest (torch, PostgreSQL, test tools) comes with `make test`.
$(VENV)/.platform: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing Everloop into $(VENV) (a few minutes, once)"
	@$(PIP) --editable ".[platform,demo]"
	@touch $@

$(VENV)/.everything: $(VENV)/.platform
	@echo "installing the torch trainer and the test tools into $(VENV)"
	@$(PIP) "torch==2.13.0"
	@$(PIP) --editable ".[platform,torch,postgres,demo,test,check]"
	@touch $@
