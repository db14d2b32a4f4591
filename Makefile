.DEFAULT_GOAL := help
.PHONY: help setup run once test test-extras check fix golden interface bench faults mutation lock
BIN := .venv/bin

help: ## show what can be done here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install everything the system needs (also done by run and test)
	@./setup.sh

run: setup ## run the whole system with sample data, until Ctrl-C
	@$(BIN)/karcis run

once: setup ## one paid parking, end to end, with its pictures in ./data/once
	@$(BIN)/karcis once --data data/once

test: ## set up, then run every test, a worker on each processor (JOBS=0 for one after another)
	@./setup.sh test
	@$(BIN)/pytest -n $(or $(JOBS),auto) --dist worksteal

test-extras: ## also set up PySpark, Java and SoftHSM, and run the tests that skip without them
	@./setup.sh extras
	@KARCIS_TEST_EXTRAS=1 $(BIN)/pytest -m extras -rs

check: setup ## format, lint, types, import contracts, conventions (changes nothing)
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --cache-dir .import_linter_cache
	@$(BIN)/pytest tests/conventions

fix: setup ## format and mend what ruff can
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

bench: setup ## headline figures as ratios, into reports/bench.json (NAME=… for one)
	@$(BIN)/python -m bench $(NAME)

faults: setup ## break the parts while money moves, into reports/faults.json (NAME=T3 SEED=1)
	@$(BIN)/python -m tests.faults $(NAME) $(if $(SEED),--seed $(SEED))

mutation: setup ## small faults put into the code of money: the tests that notice, into reports/mutation.json (SEED=1)
	@$(BIN)/python -c 'import mutmut' 2>/dev/null || $(BIN)/pip install -q -e '.[mutation]'
	@$(BIN)/python -m tests.mutation $(if $(SEED),--seed $(SEED))

golden: setup ## rewrite docs/openapi.json and docs/roles.md from the code
	@$(BIN)/karcis openapi

interface: setup ## try the HTTP interface with invented requests for ten minutes
	@KARCIS_SCHEMATHESIS_S=600 $(BIN)/pytest tests/system/test_interface.py

lock: ## rewrite requirements.lock from pyproject.toml (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --extra dev pyproject.toml -o requirements.lock -q
	@printf 'pyspark>=4\npython-pkcs11\n' | uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements.lock - -o requirements-extras.lock -q
