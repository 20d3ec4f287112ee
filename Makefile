# Every target sets the machine up by itself: see .ci/setup. `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench soak lock docs clean
SHELL := /bin/sh

PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)

# The tests that make sense for kernels without the compiler, and with every index checked.
KERNEL_TESTS := $(wildcard tests/ledger tests/strategies tests/sim)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from requirements.lock (the other targets do this by themselves)
	@.ci/setup $(MAKECMDGOALS)

demo: setup ## back-test a moving-average crossover on bundled S&P 500 prices and draw it
	@$(PY) onebook.py backtest run sma_cross

lint: setup ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m mypy

# The kernels' tests run three times: interpreted, with index checks, and as they are; the last one is the whole suite.
test: lint ## lint, then the whole suite, and the kernels' tests without the compiler and with index checks
	@echo "== kernels without the compiler"
	@NUMBA_DISABLE_JIT=1 $(PY) -m pytest -q -m "not soak and not slow and not compiled" $(KERNEL_TESTS)
	@echo "== kernels with index checks"
	@NUMBA_BOUNDSCHECK=1 $(PY) -m pytest -q -m "not soak and not slow" $(KERNEL_TESTS)
	@echo "== the whole suite"
	@$(PY) -m pytest

bench: setup ## measure, and write docs/benchmarks.md
	@$(PY) -m benchmarks

soak: setup ## the long tests: hours of kill -9, power cuts and random streams
	@$(PY) -m pytest -m soak

docs: setup ## write the generated pages of docs/ anew
	@$(PY) -m docs.make_order_states

lock: ## resolve the dependencies anew into requirements.lock (needs uv)
	uv pip compile pyproject.toml --group dev --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --no-header -q -o requirements.lock

clean: ## remove caches and compiled kernels; keeps .venv and runs/
	rm -rf .kernels .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
