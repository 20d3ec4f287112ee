# Every target sets the machine up by itself: see .ci/setup. `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench soak lock docs clean
SHELL := /bin/sh

PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from requirements.lock, as every target does by itself; PYTHON=python3.13 picks the Python
	@.ci/setup $(MAKECMDGOALS)

demo: setup ## a backtest on real prices, a simulated paper day, a fuzz campaign, and why paper differed
	@$(PY) onebook.py demo

lint: setup ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m mypy

test: lint ## lint, the whole suite, and the kernels' tests without the compiler and with index checks
	@.ci/test

bench: setup ## measure, and write docs/benchmarks.md
	@$(PY) -m benchmarks

soak: setup ## the long tests: hours of kill -9, power cuts and random streams
	@ONEBOOK_SOAK=1 $(PY) -m pytest -m soak
	@ONEBOOK_SOAK=1 $(PY) -m pytest tests/ledger/journal tests/sim/fuzz tests/scenarios

docs: setup ## write the generated pages of docs/ anew
	@$(PY) -m docs.make_order_states
	@$(PY) -m sim.gateway.page

lock: ## resolve the dependencies anew into requirements.lock (needs uv)
	uv pip compile pyproject.toml --group dev --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --no-header -q -o requirements.lock

clean: ## remove caches and compiled kernels; keeps .venv and runs/
	rm -rf .kernels .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
