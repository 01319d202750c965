# Everything a developer or CI runs. On a fresh machine only python3 with venv, make and git are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
CHECKED := $(wildcard services shared tests bench tools)

.DEFAULT_GOAL := help
.PHONY: help up down status test check check-format check-lint check-types check-walls format schemas requirements soak soak-timers soak-mail fuzz clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.installed ## Start Kafka, PostgreSQL and every service in the background (REPLICAS=2 for more consumers).
	@$(BIN)/casestream up $(if $(REPLICAS),--replicas $(REPLICAS))

down: $(VENV)/.installed ## Stop everything; the data stays.
	@$(BIN)/casestream down

status: $(VENV)/.installed ## Show what runs, where, and what has been recorded.
	@$(BIN)/casestream status

test: $(VENV)/.installed-dev check ## All that CI runs: the checks, then every tier of tests against its time budget.
	@$(BIN)/python tools/prepare_tests.py
	@$(BIN)/python -m tools.run_tests

check: $(VENV)/.installed-dev ## Format, lint, types and walls between the parts, side by side.
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target check-format check-lint check-types check-walls
	@echo "all checks passed"

check-format:
	@$(BIN)/ruff format --check --quiet $(CHECKED)
check-lint:
	@$(BIN)/ruff check --quiet $(CHECKED)
check-types:
	@$(BIN)/mypy --no-error-summary
check-walls:
	@$(BIN)/lint-imports --no-logo > $(VENV)/walls.txt 2>&1 || { cat $(VENV)/walls.txt; exit 1; }

format: $(VENV)/.installed-dev ## Put the code into its format and mend what the linter can mend.
	@$(BIN)/ruff check --fix --quiet $(CHECKED); $(BIN)/ruff format $(CHECKED)

schemas: $(VENV)/.installed ## Write the published schemas and docs/events.md again, unless a change would break readers.
	@$(BIN)/python -m shared.schemas publish

requirements: $(VENV)/.installed-dev ## List each requirement with the tests that showed it in the last make test.
	@$(BIN)/python tools/requirements.py

soak: $(VENV)/.installed-dev soak-timers soak-mail ## The chaos tests as long campaigns (ROUNDS=20, and those of soak-timers).
	@CASESTREAM_SOAK_ROUNDS=$(or $(ROUNDS),20) $(BIN)/python -m pytest tests/chaos -q

soak-timers: $(VENV)/.installed-dev ## Clocks while replicas are killed and frozen, and Kafka is away (TIMERS=1000000 MINUTES=5 SEED=...).
	@CASESTREAM_SOAK_MINUTES=$(or $(MINUTES),5) CASESTREAM_SOAK_TIMERS=$(or $(TIMERS),1000000) \
		$(if $(SEED),CASESTREAM_SOAK_SEED=$(SEED)) $(BIN)/python -m pytest tests/chaos/test_timers_campaign.py -q

soak-mail: $(VENV)/.installed-dev ## A thousand messages while their sender is killed at every step, again and again (MESSAGES=1000 ROUNDS=2).
	@CASESTREAM_SOAK_MESSAGES=$(or $(MESSAGES),1000) CASESTREAM_SOAK_ROUNDS=$(or $(ROUNDS),2) \
		$(BIN)/python -m pytest tests/service/notify/test_crashes.py -q -s

fuzz: $(VENV)/.installed-dev ## Properties with examples that make test has not seen, and the APIs under requests made from their documents (EXAMPLES=50).
	@CASESTREAM_RANDOM_EXAMPLES=1 $(BIN)/python -m pytest tests/unit tests/contract -q -n 2
	@CASESTREAM_FUZZ_EXAMPLES=$(or $(EXAMPLES),50) $(BIN)/python -m pytest tests/service -q -k test_api_fuzz

clean: ## Stop everything and delete the state folder with all data.
	@[ ! -x $(BIN)/casestream ] || $(BIN)/casestream down
	rm -rf .casestream

$(BIN)/python:
	@echo "making a virtual environment"
	@$(PYTHON) -m venv $(VENV)

# The build tool comes from the lock as well; it is the only line of the dev lock that running needs.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing dependencies"
	@awk '/^setuptools==/ {found = 1} found {print; if (!/\\$$/) exit}' requirements-dev.lock > $(VENV)/build.lock
	@$(PIP) --require-hashes -r $(VENV)/build.lock
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@echo "installing what tests and checks need"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
