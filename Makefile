# Two commands matter: `make run` and `make test`. Needs Python 3.11 or later, and make.
# Choose the Python with PYTHON=/path/to/python3.12 and the port with PORT=9000.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help run test faults fuzz audit lint css messages roles lock browser clean venv venv-dev

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: venv ## Install what is needed, then serve on http://127.0.0.1:8000
	@case "$$DATABASE_URL" in postgres*) $(BIN)/flask --app app db upgrade || exit;; esac; \
	exec $(BIN)/gunicorn app:app

# Three test processes on two cores: most of the time they wait for servers and clocks.
test: lint browser ## Install what the tests need, then run every check and test
	@$(BIN)/pytest --quiet -n 3 --dist worksteal

faults: venv-dev ## Kill, stop and starve real processes for hours; prints one table (KILLS=1000)
	@$(BIN)/python scripts/faketime.py
	@$(BIN)/pytest --quiet tests/faults -m "long or not long"

fuzz: venv-dev ## Send every form what nobody has sent before, for five minutes (FUZZ_MINUTES=60)
	@FUZZ_MINUTES=$${FUZZ_MINUTES:-5} $(BIN)/pytest --quiet tests/threats/test_fuzz.py

audit: venv-dev ## Look up the pinned packages among the known vulnerabilities
	@$(BIN)/python scripts/audit.py

lint: venv-dev ## Check format, rules, types and the direction of imports
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.log 2>&1 \
	|| { cat $(VENV)/lint-imports.log; exit 1; }

css: venv-dev ## Take from Tabler what the pages use: static/built/tabler.css
	@$(BIN)/python scripts/purge.py

messages: venv-dev ## Bring the translations up to date with what the sources say
	@$(BIN)/python -m scripts.messages

roles: venv-dev ## Make docs/roles.md from the routes and their rights
	@$(BIN)/python -m scripts.roles

lock: venv-dev ## Pin requirements*.in again, with hashes, for Python 3.11 to 3.14
	@$(BIN)/python scripts/lock.py

browser: venv-dev ## Find or install the Chromium that the tests drive
	@$(BIN)/python scripts/browser.py

venv:
	@sh scripts/venv.sh $(VENV) requirements.txt

venv-dev: venv
	@sh scripts/venv.sh $(VENV) requirements-dev.txt

clean: ## Remove the virtual environment and what tools left behind (never data/)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
